"""The blacklist of tymon/jwt-auth: which entries of a cache store say that a token is revoked.

Its key ends in the `jti`, 16 letters and digits, or is that `jti`'s SHA-1 in the file store. Its value is PHP's
serialization of an array with `valid_until`, of the text `forever`, or, before version 1, of an empty array.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

_JTI = re.compile(rb"[A-Za-z0-9]{16}\Z")
_REVOKED = re.compile(rb'a:1:\{s:11:"valid_until";i:-?\d+;\}|s:7:"forever";|a:0:\{\}')
# null, a Boolean, a number, a text, an array, an object, an enumeration; and a bare number, as Laravel stores those
_SERIALIZED = re.compile(rb"N;|b:[01];|[id]:[-+.\w]+;|[sS]:\d+:|a:\d+:\{|[OCE]:\d+:|-?\d")


class Finding(Enum):
    """What an entry of a cache store is."""

    REVOKED = "a token on the blacklist"
    OTHER = "something else that the application keeps"
    UNREADABLE = "under the key of a token, but no serialization of PHP"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry of a cache store."""

    jti_sha1: bytes | None
    """The SHA-1 of the `jti` that the key ends in; None where it ends in none."""
    value: bytes = field(repr=False)
    expires_at: datetime | None = None
    """When the store forgets it; None: never, or that is not known."""


def entry_of(key: bytes, value: bytes, expires_at: str | None = None) -> CacheEntry:
    """The entry under a readable key; the time is in Unix seconds."""
    found = _JTI.search(key)
    return CacheEntry(hashlib.sha1(found[0]).digest() if found else None, value, timestamp(expires_at))  # noqa: S324


def timestamp(seconds: str | None) -> datetime | None:
    """A time of Unix seconds; None where the store means for ever, or what it has is no time."""
    try:
        return datetime.fromtimestamp(int(seconds or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def finding(entry: CacheEntry) -> Finding:
    """Tell the blacklist from everything else that an application caches.

    SECURITY: what cannot be read, under a key that may be a token's, is told apart, since the key alone says revoked.
    """
    if entry.jti_sha1 is None:
        return Finding.OTHER
    if _REVOKED.fullmatch(entry.value):
        return Finding.REVOKED
    return Finding.OTHER if _SERIALIZED.match(entry.value) else Finding.UNREADABLE
