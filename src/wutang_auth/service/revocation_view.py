"""The live revocations in memory, as each worker follows them in PostgreSQL."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from wutang_auth.errors import DatabaseUnavailable
from wutang_auth.repository.revocations import WHOLE_USER, Revocation, RevocationRepository

_LONGEST_GAP: Final = 60.0
_SWEEP_SECONDS: Final = 1.0
_PAGE: Final = 500
_FIRST_KEY: Final = (0, WHOLE_USER)
_Key = tuple[int, UUID]


@dataclass(frozen=True, slots=True)
class Seen:
    """A revocation, and when this worker saw it first, by the database's clock."""

    revocation: Revocation
    at: datetime


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass through the whole table."""

    place: _Key
    """After which row it goes on; the first: it is at its end."""
    reaches: datetime | None
    """What `changed_at` was when it began."""


class RevocationView:
    """All live revocations, no older than whoever asks for them wants.

    There is no background task: who asks has the table looked at, and those who ask meanwhile share the look. A look
    reads what was written lately: within the time that a statement may take, and since the look before. So it finds
    whatever committed in time, in any order, and waits for nobody's transaction. What committed later than that, such
    as what waited for a standby or was written by a long transaction, is found by going through the whole table, page
    after page. It is then written again, so that for every worker, and every cursor, it is new.

    A worker that starts finds such a late one at its first look, and cannot tell that it is late. So a cursor promises
    no more than the pages do: it is a time from before the last pass through the table began.
    """

    def __init__(self, revocations: RevocationRepository, *, write_seconds: float, page: int = _PAGE) -> None:
        """`write_seconds` is how long it may take from the writing of a revocation to its commit, normally.

        `page` is how many rows are read at once on the way through the whole table.
        """
        self._revocations = revocations
        self._page = page
        self._window = timedelta(seconds=write_seconds)
        self._seen: dict[_Key, Seen] = {}
        """In the order in which they were seen."""
        self._looked_at = float("-inf")
        """When the last look began, by the monotonic clock."""
        self._task: asyncio.Task[None] | None = None
        self._pass = _Pass(_FIRST_KEY, None)
        self._swept_at = float("-inf")
        self.now: datetime | None = None
        """When the last look began, by the database's clock; None: there was none yet."""
        self.changed_at: datetime | None = None
        """When the last look began that found something new."""
        self.reached: datetime | None = None
        """An earlier `changed_at`: nothing that was committed by then is missing here, however late that was."""

    @property
    def age(self) -> float:
        """How many seconds ago the last look began."""
        return time.monotonic() - self._looked_at

    def is_ended(self, user_id: int, session_id: UUID) -> bool:
        """Whether the session has ended."""
        return (user_id, session_id) in self._seen

    def has_lost_scopes(self, user_id: int) -> bool:
        """Whether tokens of this user may name scopes that are gone."""
        return (user_id, WHOLE_USER) in self._seen

    def since(self, earliest: datetime | None) -> list[Revocation]:
        """What was seen since then, the latest first; without a time, all of it."""
        found = []
        for seen in reversed(self._seen.values()):
            if earliest is not None and seen.at <= earliest:
                break
            found.append(seen.revocation)
        return found

    async def ensure_age(self, max_age: float) -> None:
        """Look, unless the last look began within this many seconds.

        Raises:
            DatabaseUnavailable: PostgreSQL is away or too slow.
        """
        wanted = time.monotonic() - max_age
        while self._looked_at < wanted:
            task = self._task or self.begin_look()
            await asyncio.wait([task])
            error = task.exception()
            if isinstance(error, DatabaseUnavailable):  # one of its own for each who waits
                raise DatabaseUnavailable("the revocations cannot be read") from error
            if error is not None:
                raise error

    def begin_look(self) -> asyncio.Task[None]:
        """Look, without waiting for it; the look that is under way if there is one."""
        if self._task is None:
            # a context of its own: what limits one request must not limit the others
            self._task = asyncio.get_running_loop().create_task(self._look(), context=Context())
            self._task.add_done_callback(self._looked)
        return self._task

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # whoever waits raises it; nobody may

    async def close(self) -> None:
        """End the look that is under way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, DatabaseUnavailable):
                await self._task

    async def _look(self) -> None:
        began = time.monotonic()
        gap = min(began - self._looked_at, _LONGEST_GAP)
        pages, going_on = await self._pages(began)
        elapsed = time.monotonic() - began
        asked = time.monotonic()
        now, recent = await self._revocations.recent(self._window + timedelta(seconds=gap + elapsed))
        # later than the snapshot of the query: who has a cursor of a time before has not got these
        seen_at = now + timedelta(seconds=time.monotonic() - asked)
        await self._write_again(pages)
        self._forget_expired(now)
        is_new = self._add([*pages, *recent], seen_at)
        if self.changed_at is None:  # the first look; the table was gone through since then
            self.changed_at = now - timedelta(seconds=time.monotonic() - began)
            going_on = _Pass(_FIRST_KEY, self.changed_at)
        elif is_new:
            self.changed_at = now
        self._pass = going_on
        if going_on.place == _FIRST_KEY:
            self.reached = going_on.reaches
        self.now = now
        self._looked_at = began

    async def _pages(self, began: float) -> tuple[list[Revocation], _Pass]:
        """The next rows on the way through the whole table, and where to go on; all of them after a long time."""
        whole = began - self._looked_at > _LONGEST_GAP
        if not whole and began - self._swept_at <= _SWEEP_SECONDS:
            return [], self._pass
        place = _FIRST_KEY if whole else self._pass.place
        reaches = self.changed_at if place == _FIRST_KEY else self._pass.reaches
        found: list[Revocation] = []
        while True:
            page = await self._revocations.page(place, self._page)
            found += page
            place = _key(page[-1]) if len(page) == self._page else _FIRST_KEY
            if not whole or place == _FIRST_KEY:
                self._swept_at = time.monotonic()
                return found, _Pass(place, reaches)

    async def _write_again(self, pages: Iterable[Revocation]) -> None:
        """Make those new that a look before should have found, had they been there in time."""
        if self.now is not None:
            found_until = self.now - self._window
            late = [_key(each) for each in pages if each.revoked_at <= found_until and not self._is_known(each)]
            if late:
                await self._revocations.write_again(late)

    def _is_known(self, revocation: Revocation) -> bool:
        seen = self._seen.get(_key(revocation))
        return seen is not None and seen.revocation == revocation

    def _add(self, found: Iterable[Revocation], seen_at: datetime) -> bool:
        is_new = False
        for revocation in found:
            if not self._is_known(revocation):
                self._seen.pop(_key(revocation), None)  # to the end
                self._seen[_key(revocation)] = Seen(revocation, seen_at)
                is_new = True
        return is_new

    def _forget_expired(self, now: datetime) -> None:
        for key in [key for key, seen in self._seen.items() if seen.revocation.expires_at <= now]:
            del self._seen[key]


def _key(revocation: Revocation) -> _Key:
    return revocation.user_id, revocation.session_id
