"""Base64url without padding, canonical only: one value has one spelling (RFC 4648 sections 3.5 and 5)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_ALPHABET = re.compile("[A-Za-z0-9_-]+")


def encode(value: bytes) -> str:
    """The text of these bytes."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def encode_int(value: int) -> str:
    """The text of a positive number, big-endian in as few bytes as it takes (RFC 7518 section 2, Base64urlUInt)."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8))


def decode(text: str) -> bytes:
    """The bytes of this text.

    Raises:
        ValueError: padded, not canonical, or not base64url.
    """
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(value) != text:
        raise ValueError("not canonical base64url")
    return value
