"""Grouped reads: those that arrive while others are under way share the next round trip."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar

from wutang_auth.context import request_context
from wutang_auth.errors import DatabaseUnavailable

Key = TypeVar("Key")
Value = TypeVar("Value")

MAX_GROUP: Final = 64
_MAX_UNDER_WAY: Final = 4
_WATCH_SECONDS: Final = 0.1


class GroupedReads(Generic[Key, Value]):
    """Reads single values by key, many of them with one query where many are asked for at once.

    A read that finds none under way starts at once, alone. While others are under way it waits until the end of this
    turn of the event loop; then one query takes all that wait, so that one value costs a fraction of a round trip. At
    most four queries are under way. A query never answers a read that was asked for after the query had started: what
    was committed before the call is seen by it.

    Args:
        read_one: Reads one value; None where there is none.
        read_many: Reads the values of several keys, in their order.
        max_wait: How many seconds a read may wait until its query starts.
    """

    def __init__(
        self,
        *,
        read_one: Callable[[Key], Awaitable[Value | None]],
        read_many: Callable[[Sequence[Key]], Awaitable[Sequence[Value | None]]],
        max_wait: float,
    ) -> None:
        self._read_one = read_one
        self._read_many = read_many
        self._max_wait = max_wait
        self._waiting: deque[tuple[Key, asyncio.Future[Value | None], float]] = deque()
        """With the time since when it waits, by the loop's clock; the first to come first."""
        self._is_watched = False
        self._under_way = 0
        self._is_scheduled = False
        """Whether a query starts at the end of this turn."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadlines: dict[asyncio.Future[Value | None], float] = {}
        """Until when each read may wait, by the loop's clock."""

    async def read(self, key: Key) -> Value | None:
        """The value of this key, None where there is none.

        Raises:
            DatabaseUnavailable: PostgreSQL is away or too slow; each read of a query that failed fails so.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._under_way:
            self._under_way = 1
            try:
                return await self._read_one(key)
            finally:
                self._leave()
        future: asyncio.Future[Value | None] = loop.create_future()
        self._waiting.append((key, future, now))
        self._schedule()
        if not self._is_watched:
            self._is_watched = True
            loop.call_later(_WATCH_SECONDS, self._give_up_overdue, context=Context())
        budget = request_context.get().budget
        self._deadlines[future] = now + budget.seconds_left
        try:
            return await future
        finally:
            del self._deadlines[future]
            budget.seconds_left -= loop.time() - now

    def _schedule(self) -> None:
        """Let the next query start at the end of this turn, if one may: who else asks in this turn goes with it."""
        if not self._is_scheduled and self._under_way < _MAX_UNDER_WAY:
            self._is_scheduled = True
            # a context of its own: what limits one request must not limit the others
            asyncio.get_running_loop().call_soon(self._start, context=Context())

    def _start(self) -> None:
        """Start a query for those who wait."""
        self._is_scheduled = False
        if group := self._next_group():
            self._under_way += 1
            task = asyncio.get_running_loop().create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if self._waiting:
                self._schedule()

    async def _run(self, group: list[tuple[Key, asyncio.Future[Value | None]]]) -> None:
        try:
            values = await self._read_many([key for key, _ in group])
            for (_, future), value in zip(group, values, strict=True):
                if not future.done():
                    future.set_result(value)
        except BaseException as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(_unavailable(error))
            if not isinstance(error, Exception):
                raise
        finally:
            self._leave()

    def _next_group(self) -> list[tuple[Key, asyncio.Future[Value | None]]]:
        """Those who wait, at most so many of them."""
        group: list[tuple[Key, asyncio.Future[Value | None]]] = []
        while self._waiting and len(group) < MAX_GROUP:
            key, future, _ = self._waiting.popleft()
            if not future.done():  # else its request was cancelled, or waited long enough
                group.append((key, future))
        return group

    def _leave(self) -> None:
        """A query has ended: let those that wait begin."""
        self._under_way -= 1
        if self._waiting:
            self._schedule()

    def _give_up_overdue(self) -> None:
        """Fail the reads that have waited long enough, and look again soon; one timer for all of them is enough."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting and self._waiting[0][2] + self._max_wait <= now:
            _fail(self._waiting.popleft()[1], "no query started in time")
        for future, deadline in self._deadlines.items():
            if deadline <= now:
                _fail(future, "the request has waited long enough")
        self._is_watched = bool(self._waiting or self._deadlines)
        if self._is_watched:
            loop.call_later(_WATCH_SECONDS, self._give_up_overdue, context=Context())


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    """An exception for each read of its own: one that several raise would collect all their tracebacks."""
    own = DatabaseUnavailable(*(error.args if isinstance(error, DatabaseUnavailable) else ("a grouped read failed",)))
    own.__cause__ = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
    return own


def _fail(future: "asyncio.Future[Value | None]", reason: str) -> None:
    if not future.done():
        future.set_exception(DatabaseUnavailable(reason))
