"""Hints for operators: what refused tokens tell of the keys and clocks of other instances."""

import logging
import re
import time
from collections.abc import Callable
from typing import Literal

from wutang_auth.tokens import base64url, strict_json

logger = logging.getLogger(__name__)

Kind = Literal["key", "clock", "legacy clock"]

_SILENT_SECONDS = 600.0
_THUMBPRINT = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes in base64url (RFC 7638 section 3)


class Hints:
    """A line in the log for each kind of hint, at most one in ten minutes, however many tokens are refused."""

    def __init__(self, *, issuer: str, clock_skew: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Write about tokens of this issuer; `clock_skew` is in seconds, and `clock` decides what is ten minutes."""
        self._issuer = issuer
        self._clock_skew = clock_skew
        self._clock = clock
        self._silent_until: dict[Kind, float] = {}

    def unknown_key(self, kid: object, body: str) -> None:
        """A token of one of our types names a key that the ring has not; `body` is its claims, encoded."""
        # SECURITY: anybody can write such a token, so that nothing of it is repeated but 43 harmless characters
        if not self._is_silent("key") and _is_thumbprint(kid) and _issuer_of(body) == self._issuer:
            self._tell(
                "key",
                "a token of this issuer names the key %s, which this key ring does not have: another instance has"
                " another ring (compare `wutang-auth keys list`), or the key was dropped while its tokens lived",
                kid,
            )

    def from_the_future(self, seconds: float) -> None:
        """A genuine token was made so many seconds from now."""
        if not self._is_silent("clock"):
            self._tell(
                "clock",
                "a token of ours is %d s in the future, where WUTANG_CLOCK_SKEW allows %d s: compare the clocks of all"
                " instances; `wutang-auth doctor` on each compares its own with the database's",
                round(seconds),
                self._clock_skew,
            )

    def legacy_from_the_future(self, seconds: float) -> None:
        """A genuine token of the earlier application was made, or begins to count, so many seconds from now."""
        if not self._is_silent("legacy clock"):
            self._tell(
                "legacy clock",
                "a token of the earlier application is %d s in the future, where WUTANG_CLOCK_SKEW allows %d s: compare"
                " the clocks of its machines with the one here",
                round(seconds),
                self._clock_skew,
            )

    def _is_silent(self, kind: Kind) -> bool:
        return self._clock() < self._silent_until.get(kind, float("-inf"))

    def _tell(self, kind: Kind, line: str, *values: object) -> None:
        self._silent_until[kind] = self._clock() + _SILENT_SECONDS
        logger.warning(line, *values)


def _is_thumbprint(kid: object) -> bool:
    return isinstance(kid, str) and _THUMBPRINT.fullmatch(kid) is not None


def _issuer_of(body: str) -> object:
    """The issuer that unverified claims name; None where they name none."""
    try:
        claims = strict_json.loads(base64url.decode(body))
    except ValueError:
        return None
    return claims.get("iss") if isinstance(claims, dict) else None
