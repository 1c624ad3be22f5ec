"""Codes that stand in for an app that is gone: made at random, shown once, used once."""

import secrets
from hashlib import sha256
from typing import Final

from wutang_auth.fields import parse_recovery_code

NUMBER: Final = 8
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_GROUPS: Final = 5
_GROUP: Final = 5


def new_code() -> str:
    """A code such as `7Q2MX-…`: 25 characters with 5 bits each, in five groups.

    125 bits are above the 112 from which ASVS 5.0 (6.5.2) asks for no password hash, so that SHA-256 suffices.
    """
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def new_codes() -> list[str]:
    """As many as a user gets."""
    return [new_code() for _ in range(NUMBER)]


def digest_of(code: str) -> bytes:
    """What is kept of a code.

    Raises:
        ValueError: it is no such code, in whatever spelling.
    """
    return sha256(parse_recovery_code(code).encode()).digest()
