"""Tokens: issued, and let in by one strict gate; and the keys that sign them."""
