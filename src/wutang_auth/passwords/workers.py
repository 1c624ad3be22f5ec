"""The workers that hash and verify passwords: threads off the event loop, as many as processors, with a short queue."""

import asyncio
import ctypes
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from wutang_auth.context import request_context
from wutang_auth.errors import Overloaded
from wutang_auth.fields import NO_PASSWORD
from wutang_auth.observability.observers import HashObserver
from wutang_auth.passwords.argon2id import Argon2id, PasslibArgon2id, fastest, unmatched_hash
from wutang_auth.passwords.hashing import Verdict, hash_password, verify_password

P = ParamSpec("P")
T = TypeVar("T")

_MAX_WAIT = 10.0  # seconds in the queue
_IDLE_SECONDS = 2.0
_REFUSAL_MARGIN = 1.1
_HALF_LIFE = 600.0  # seconds after which a slow comparison counts half
_MAX_REFUSAL = 4.0  # seconds


class Passwords:
    """Hashes and verifies.

    Args:
        workers: How many threads do it.
        queue: How many calls may wait for one of them.
        initializer: What each thread calls first.
        observer: Who is told how it does.

    All coroutines raise:
        Overloaded: the queue is full.
    """

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        initializer: Callable[[], None] | None = None,
        observer: HashObserver | None = None,
    ) -> None:
        self._observer = observer
        self._workers = workers
        self._queue_limit = queue
        self._pending = 0
        self._is_closed = False
        self._threads = ThreadPoolExecutor(workers, "hash", initializer=initializer)
        self._idle: asyncio.TimerHandle | None = None
        self._max_cpu_seconds = 0.0
        self._longest = 0.0
        self._longest_seen_at = time.monotonic()
        self._argon2id: Argon2id = PasslibArgon2id()
        self._dummy_hash = unmatched_hash()

    async def choose_library(self) -> None:
        """Take the argon2id that is the faster one on this processor, from now on."""
        self._argon2id = await self._run(fastest)

    async def hash(self, password: str) -> str:
        """The hash of a new password, as it is stored."""
        started = time.monotonic()
        made = await self._run(hash_password, self._argon2id, password)
        if self._observer is not None:
            self._observer.finished("hashed", time.monotonic() - started)
        return made

    async def verify(self, password: str, stored_hash: str | None, *, may_upgrade: bool = False) -> Verdict:
        """Compare; without a stored hash the answer is no, after as much work."""
        # SECURITY: an unknown e-mail costs one hash too, and so does a user without a password
        if not stored_hash or stored_hash == NO_PASSWORD:
            stored_hash = self._dummy_hash
        started = time.monotonic()
        verdict = await self._run(verify_password, self._argon2id, password, stored_hash, may_upgrade)
        if self._observer is not None:
            self._observer.finished("matched" if verdict.matches else "unmatched", time.monotonic() - started)
        self._learn(verdict)
        return verdict

    async def pad_refusal(self, verdict: Verdict) -> None:
        """Wait until a refusal has taken as long as with the slowest stored hash that was met.

        SECURITY: otherwise accounts whose hash is from another system are known by their time. The measure is not only
        what the slowest costs, but how long any took lately: on a busy machine a hash is slowed down, a wait is not.
        """
        await asyncio.sleep(self.refusal_seconds - verdict.seconds)

    def _learn(self, verdict: Verdict) -> None:
        self._longest = max(self._recent_longest(), verdict.seconds)
        self._longest_seen_at = time.monotonic()
        self._max_cpu_seconds = max(self._max_cpu_seconds, verdict.cpu_seconds)

    @property
    def refusal_seconds(self) -> float:
        """How long a refusal takes at least; 0 until the first stored hash was met."""
        return min(_REFUSAL_MARGIN * max(self._recent_longest(), self._max_cpu_seconds), _MAX_REFUSAL)

    def _recent_longest(self) -> float:
        return self._longest * math.exp2((self._longest_seen_at - time.monotonic()) / _HALF_LIFE)

    def ensure_room(self) -> None:
        """Raise what `verify` would raise now, before anything else is done for nothing."""
        if self._pending >= self._workers + self._queue_limit:
            if self._observer is not None:
                self._observer.refused("queue full")
            raise Overloaded("the queue for password hashing is full")

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return max(0, self._pending - self._workers)

    def close(self) -> None:
        """Let the threads end; what still waits is dropped."""
        self._is_closed = True
        if self._idle is not None:
            self._idle.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.ensure_room()
        self._pending += 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(function, *args, **kwargs)

        def free_slot(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody asks for a slot any more
                loop.call_soon_threadsafe(self._leave)

        # the slot is free when the thread is, which a cancelled request does not stop
        work.add_done_callback(free_slot)
        result = asyncio.wrap_future(work)
        if self._pending > self._workers:
            gone = request_context.get().client_gone
            events: list[asyncio.Future[Any]] = [result] if gone is None else [result, gone]
            try:
                await asyncio.wait(events, timeout=_MAX_WAIT, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                work.cancel()
                raise
            if work.cancel():  # which it cannot once it runs
                if self._observer is not None:
                    self._observer.refused("left")
                raise Overloaded("the client left the queue for password hashing, or waited too long in it")
        return await result

    def _leave(self) -> None:
        self._pending -= 1
        if self._pending == 0 and not self._is_closed:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._give_back_memory)

    def _give_back_memory(self) -> None:
        """Let the C library return what hashing took: it keeps 19 MiB for each thread otherwise."""
        if self._pending == 0:
            self._threads.submit(_trim_heap)


def _trim_heap() -> None:
    with suppress(OSError, AttributeError):  # other C libraries have neither this function nor the need
        ctypes.CDLL(None).malloc_trim(0)
