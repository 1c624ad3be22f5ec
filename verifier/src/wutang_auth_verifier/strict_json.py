"""A segment of a token as JSON that can be read in one way only (RFC 7515 section 2, RFC 7493)."""

import json
from binascii import a2b_base64
from string import ascii_letters, digits
from typing import Any

_ALPHABET = f"{ascii_letters[26:]}{ascii_letters[:26]}{digits}-_"
_AS_BASE64 = bytes.maketrans(b"-_+/", b"+/--")


def decode(segment: str) -> bytes:
    """The bytes of canonical base64url without padding; ValueError for anything else."""
    spare = -len(segment) % 4
    if segment[-1] not in _ALPHABET[:: 4**spare]:  # the last character of others has bits that are not used
        raise ValueError("not canonical base64url")
    return a2b_base64(segment.encode().translate(_AS_BASE64) + b"=" * spare, strict_mode=True)


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


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=int)  # no NaN, no Infinity: ValueError
