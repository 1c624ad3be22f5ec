"""The documents about the API, derived from its routes."""
