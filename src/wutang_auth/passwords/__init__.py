"""Passwords: hashed, verified, and the rules for new ones."""
