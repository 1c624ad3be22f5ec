"""A bounded number of slots for things that are expensive to make, such as connections: each used by one at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from wutang_auth.errors import DatabaseUnavailable

_FULL_SECONDS: Final = 1.0  # for so long nobody is asked for another one who had no more


class Closable(Protocol):
    """What is in a slot."""

    def is_closed(self) -> bool: ...  # noqa: D102

    def cut(self) -> None:
        """Let it go at once, without a word to the other side."""


T = TypeVar("T", bound=Closable)


class NoMoreToBeHad(Exception):
    """Another one cannot be made now, but those that there are will do; the message says why."""


class Slots(Generic[T]):
    """Things that are made when they are needed, at most `size` of them; who comes when all are in use waits in line.

    Args:
        size: How many there may be.
        make: Makes one, until a deadline by the loop's clock. It may raise NoMoreToBeHad.
        max_wait: How many seconds a caller waits in line.
    """

    def __init__(self, size: int, make: Callable[[float], Awaitable[T]], *, max_wait: float) -> None:
        self._size = size
        self._make = make
        self._max_wait = max_wait
        self._made: dict[T, int] = {}
        """Each with the generation that it is of: those of an older one are not used again."""
        self._generation = 0
        self._idle: list[T] = []
        self._waiting: deque[asyncio.Future[T | None]] = deque()
        """The first to come first. Each is given one, or None: a slot to make one in."""
        self._occupied = 0
        """How many are made or being made."""
        self._full_until = 0.0
        self._is_closed = False

    def __len__(self) -> int:
        """How many there are, in use or idle."""
        return len(self._made)

    def __iter__(self) -> Iterator[T]:
        return iter(self._made)

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    def take(self) -> T | None:
        """An idle one, the one that was used last, if there is any."""
        while self._idle:
            thing = self._idle.pop()
            if self._is_fit(thing):
                return thing
            self._drop(thing)
        return None

    async def acquire(self, deadline: float) -> T:
        """Make one, or wait for one, until a deadline by the loop's clock. `take` comes first.

        Raises:
            DatabaseUnavailable: there is none in time, or none can be made.
        """
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline:
            raise DatabaseUnavailable("the request has waited long enough")
        if self._has_room():
            self._occupied += 1
            try:
                return await self._make_in_slot(deadline)
            except DatabaseUnavailable as error:
                if not isinstance(error.__cause__, NoMoreToBeHad) or self._occupied == 0:
                    raise
        waiter: asyncio.Future[T | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_at(min(loop.time() + self._max_wait, deadline), _give_up, waiter)
        try:
            given = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                given = waiter.result()
                if given is None:
                    self._leave_slot()
                else:
                    self.release(given)
            raise
        finally:
            timer.cancel()
        return given or await self._make_in_slot(deadline)

    def release(self, thing: T, *, is_usable: bool = True) -> None:
        """Give it back, for the first who waits; or let it go."""
        if not (is_usable and self._is_fit(thing)) or self._is_closed:
            self._drop(thing)
        elif waiter := self._next_waiter():
            waiter.set_result(thing)
        else:
            self._idle.append(thing)

    def expire(self) -> None:
        """Let none that is made or being made now be used again."""
        self._generation += 1

    def close(self) -> list[T]:
        """The idle ones, for the caller to close; those in use are cut at their release."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for thing in idle:
            self._occupied -= 1
            del self._made[thing]
        return idle

    async def _make_in_slot(self, deadline: float) -> T:
        """Make one in a slot that is counted already."""
        generation = self._generation
        try:
            thing = await self._make(deadline)
        except NoMoreToBeHad as refusal:
            self._full_until = asyncio.get_running_loop().time() + _FULL_SECONDS
            self._leave_slot()
            raise DatabaseUnavailable(str(refusal)) from refusal
        except BaseException:
            self._leave_slot()
            raise
        self._made[thing] = generation
        return thing

    def _has_room(self) -> bool:
        """Whether one more may be made."""
        if self._occupied >= self._size:
            return False
        return self._occupied == 0 or asyncio.get_running_loop().time() >= self._full_until

    def _is_fit(self, thing: T) -> bool:
        return self._made[thing] == self._generation and not thing.is_closed()

    def _drop(self, thing: T) -> None:
        del self._made[thing]
        thing.cut()
        self._leave_slot()

    def _leave_slot(self) -> None:
        """Let those who wait make what there is room for now."""
        self._occupied -= 1
        while self._has_room() and (waiter := self._next_waiter()):
            self._occupied += 1
            waiter.set_result(None)

    def _next_waiter(self) -> "asyncio.Future[T | None] | None":
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None


def _give_up(waiter: "asyncio.Future[T | None]") -> None:
    if not waiter.done():
        waiter.set_exception(DatabaseUnavailable("no free connection in time"))
