"""The compact form of a signed token (RFC 7515 section 7.1), and the types of what it says."""

import re
from hashlib import sha1

from wutang_auth.errors import TokenInvalid

COMPACT = re.compile(r"([A-Za-z0-9_-]{2,512})\.([A-Za-z0-9_-]{2,8192})\.([A-Za-z0-9_-]{2,1024})")
"""Header, claims and signature, of sizes that anybody needs."""
MAX_TIME = 2**53


def text(value: object) -> str:
    """A claim that must be a string.

    Raises:
        TokenInvalid: it is none.
    """
    if type(value) is not str:
        raise TokenInvalid
    return value


def texts(value: object) -> tuple[str, ...]:
    """A claim that must be a list of strings.

    Raises:
        TokenInvalid: it is none.
    """
    if type(value) is not list:
        raise TokenInvalid
    return tuple(map(text, value))


def within(value: object, most: int) -> int:
    """A claim that must be an integer from 0 to `most`.

    Raises:
        TokenInvalid: it is none, or another.
    """
    # type(), not isinstance(): True is an int too
    if type(value) is not int or not 0 <= value <= most:
        raise TokenInvalid
    return value


def jti_digest(jti: str) -> bytes:
    """The SHA-1 of a `jti`, by which jwt-auth's blacklist has it where the cache of Laravel is files."""
    return sha1(jti.encode(), usedforsecurity=False).digest()
