"""The signed list of revocations, for services that verify access tokens by themselves."""

import asyncio
import time
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from wutang_auth.errors import NotFound
from wutang_auth.repository.revocations import WHOLE_USER, Revocation
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.tokens.access import BACKDATED_SECONDS, Tokens

_TYP: Final = "revocations+jwt"
_LIFETIME: Final = 60
_ASK_AGAIN: Final = 2
_KEPT_SECONDS: Final = 20.0
_KEPT: Final = 64
_MAX_AGE: Final = 0.25
# clocks of two database servers, one of which follows the other, and a little more
_OVERLAP: Final = timedelta(seconds=5)
_LARGE: Final = 200  # entries that take a millisecond
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The list as it is sent."""

    jwt: bytes
    gzip: bytes
    """The same, compressed (RFC 1952)."""
    etag: str


class RevocationService:
    """Tells others which access tokens count no more although they have not expired."""

    def __init__(self, view: RevocationView, tokens: Tokens, *, overlap: timedelta = _OVERLAP) -> None:
        """`overlap` is how long before a cursor's time the list begins."""
        self._view = view
        self._tokens = tokens
        self._overlap = overlap
        self._lists: dict[object, tuple[float, RevocationList]] = {}
        """By what they answer, with the time when each was made; all of one view."""
        self._lists_of: tuple[datetime | None, ...] = ()
        self._making = asyncio.Lock()

    async def revocation_list(self, after: str | None) -> RevocationList:
        """The live revocations; those since a cursor that another list gave, if it is one.

        Raises:
            NotFound: nobody else could verify the list, since the keys are shared secrets.
            DatabaseUnavailable: what holds now cannot be known.
        """
        if self._tokens.ring.active.alg == "HS256":
            raise NotFound
        await self._view.ensure_age(_MAX_AGE)
        view_is = self._view.changed_at, self._view.reached
        if self._lists_of != view_is or len(self._lists) >= _KEPT:
            self._lists, self._lists_of = {}, view_is
        cursor = self._cursor(after)
        key = cursor, self._tokens.ring.active.kid
        async with self._making:  # one at a time: a large one takes a while, and those who ask meanwhile get the same
            made_at, made = self._lists.get(key, (float("-inf"), None))
            if made is None or time.monotonic() - made_at > _KEPT_SECONDS:
                made_at = time.monotonic()
                lists, made = self._lists, await self._make(cursor)
                lists[key] = made_at, made
            return made

    def _cursor(self, after: str | None) -> datetime | None:
        """The time that a cursor stands for: all that was there then is known; None for no cursor of ours."""
        now = self._view.now
        if now is None or after is None or not (after.isascii() and after.isdecimal() and len(after) <= 16):
            return None
        cursor = _EPOCH + int(after) * _MICROSECOND
        return cursor if cursor <= now + self._overlap else None

    async def _make(self, cursor: datetime | None) -> RevocationList:
        found = self._view.since(None if cursor is None else cursor - self._overlap)
        reached = self._view.reached or _EPOCH
        following = reached if cursor is None else max(reached, cursor)
        claims = {
            **self._tokens.times_of_a_document(_LIFETIME),
            "ttl": _ASK_AGAIN,
            "next": str((following - _EPOCH) // _MICROSECOND),
        }
        if len(found) < _LARGE:
            return self._sign(claims, found)
        return await asyncio.to_thread(self._sign, claims, found)

    def _sign(self, claims: dict[str, object], found: list[Revocation]) -> RevocationList:
        sessions = sorted(str(each.session_id) for each in found if each.session_id != WHOLE_USER)
        users = {str(each.user_id): _until(each) for each in found if each.session_id == WHOLE_USER}
        jwt = self._tokens.sign_document(_TYP, {**claims, "sessions": sessions, "users": users}).encode()
        compress = zlib.compressobj(5, wbits=zlib.MAX_WBITS + 16)
        return RevocationList(jwt, compress.compress(jwt) + compress.flush(), f'W/"{sha256(jwt).hexdigest()[:32]}"')


def _until(revocation: Revocation) -> int:
    """The latest `iat` of a token that is revoked, which is back-dated as every `iat` is."""
    return int(revocation.revoked_at.timestamp()) - BACKDATED_SECONDS
