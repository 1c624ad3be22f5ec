"""Scopes: names of what a user may do, such as `orders:read` (RFC 6749 section 3.3)."""

import re
from collections.abc import Iterable

PATTERN = "[a-z][a-z0-9_.:-]*"
MAX_LENGTH = 64
MAX_NUMBER = 32
MAX_TOTAL = 1024
"""Characters of all of a user's scopes as a token has them, between spaces; a token must fit into a header."""

_SCOPE = re.compile(PATTERN)


def parse_scopes(texts: Iterable[str]) -> list[str]:
    """The scopes, sorted, each once.

    Raises:
        ValueError: one of them is no scope, or they are too many.
    """
    scopes = sorted(set(texts))
    if any(len(scope) > MAX_LENGTH or not _SCOPE.fullmatch(scope) for scope in scopes):
        raise ValueError("not a scope")
    if len(scopes) > MAX_NUMBER or len(" ".join(scopes)) > MAX_TOTAL:
        raise ValueError("too many scopes")
    return scopes
