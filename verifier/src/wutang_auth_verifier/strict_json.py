"""A segment of a token as JSON that can be read in one way only (RFC 7515 section 2, RFC 7493)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any


def decode(segment: str) -> bytes:
    """The bytes of canonical base64url without padding; ValueError for anything else."""
    value = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if urlsafe_b64encode(value).rstrip(b"=") != segment.encode():  # the decoder skips what it does not know
        raise ValueError("not canonical base64url")
    return value


def load(segment: str) -> dict[str, Any]:
    """The object that it holds; ValueError where a name is there twice, or much may be nested."""
    text = decode(segment).decode()
    # SECURITY: by 32 brackets, since how deep the parser goes by itself depends on the version of Python
    document, end = _DECODER.raw_decode(text) if text.count("[") + text.count("{") <= 32 else (None, 0)
    if type(document) is not dict or end != len(text):
        raise ValueError("not an object of JSON")
    return document


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name that is there twice")
    return document


def _refuse_constant(_name: str) -> None:
    raise ValueError("not a number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant)
