"""Passwords: hashed and verified off the event loop, by a bounded number of threads with a bounded queue."""

import asyncio
import ctypes
import logging
import math
import os
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from passlib.hash import argon2, bcrypt

from wutang_auth.context import request_context
from wutang_auth.errors import Overloaded

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_LENGTH = 1024  # code points
_BCRYPT_BYTES = 72
_NICENESS = 10
_LONGEST_WAIT = 10.0
_IDLE_SECONDS = 2.0
_M_ARENA_MAX = -8  # malloc.h
_FLOOR_MARGIN = 1.1
_FLOOR_HALF_LIFE = 600.0
_LONGEST_FLOOR = 4.0

# OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane
_ARGON2ID = argon2.using(type="ID", memory_cost=19456, time_cost=2, parallelism=1)

# SECURITY: a planted hash must not stop the service; these take about 2 s
_MAX_BCRYPT_ROUNDS = 15
_MAX_ARGON2_KIB_PASSES = 2_097_152
_MAX_ARGON2_KIB = 524_288
_MAX_ARGON2_LANES = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password matches a stored hash."""

    matches: bool
    seconds: float
    """How long the comparison took."""
    cost: float
    """What it cost, in seconds of processor time."""
    upgraded_hash: str | None = field(default=None, repr=False)
    """The hash to store instead, where that one is outdated."""


class Passwords:
    """Hashes and verifies.

    All coroutines raise:
        Overloaded: the queue is full.
    """

    def __init__(self, *, workers: int, queue: int) -> None:
        self._workers = workers
        self._queue_limit = queue
        self._pending = 0
        _use_one_heap()
        self._threads = ThreadPoolExecutor(workers, "hash", initializer=_yield_to_the_event_loop)
        self._idle: asyncio.TimerHandle | None = None
        self._costliest = 0.0
        self._longest = 0.0
        self._longest_at = time.monotonic()
        self._nobodys_hash = _ARGON2ID.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The hash of a new password, as it is stored."""
        return await self._run(_hash, password)

    async def verify(self, password: str, stored_hash: str | None, *, may_upgrade: bool = False) -> Verdict:
        """Compare; without a stored hash the answer is no, after as much work."""
        # SECURITY: an unknown e-mail costs one hash too
        verdict = await self._run(_verify, password, stored_hash or self._nobodys_hash, may_upgrade)
        self._learn(verdict)
        return verdict

    async def even_out(self, verdict: Verdict) -> None:
        """Wait until a refusal has taken as long as with the slowest stored hash that was met.

        SECURITY: otherwise accounts whose hash is from another system are known by their time. The measure is not only
        what the slowest costs, but how long any took lately: on a busy machine a hash is slowed down, a wait is not.
        """
        await asyncio.sleep(self._floor() - verdict.seconds)

    def _learn(self, verdict: Verdict) -> None:
        self._longest = max(self._longest_lately(), verdict.seconds)
        self._longest_at = time.monotonic()
        self._costliest = max(self._costliest, verdict.cost)

    def _floor(self) -> float:
        return min(_FLOOR_MARGIN * max(self._longest_lately(), self._costliest), _LONGEST_FLOOR)

    def _longest_lately(self) -> float:
        return self._longest * math.exp2((self._longest_at - time.monotonic()) / _FLOOR_HALF_LIFE)

    def ensure_room(self) -> None:
        """Raise what `verify` would raise now, before anything else is done for nothing."""
        if self._pending >= self._workers + self._queue_limit:
            raise Overloaded("the queue for password hashing is full")

    def close(self) -> None:
        """Let the threads end; what still waits is dropped."""
        if self._idle is not None:
            self._idle.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.ensure_room()
        self._pending += 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(function, *args, **kwargs)
        # the place is free when the thread is, which a cancelled request does not stop
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        result = asyncio.wrap_future(work)
        if self._pending > self._workers:
            gone = request_context.get().client_gone
            events: list[asyncio.Future[Any]] = [result] if gone is None else [result, gone]
            try:
                await asyncio.wait(events, timeout=_LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                work.cancel()
                raise
            if work.cancel():  # which it cannot once it runs
                raise Overloaded("the client left the queue for password hashing, or waited too long in it")
        return await result

    def _leave(self) -> None:
        self._pending -= 1
        if self._pending == 0:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._give_back_memory)

    def _give_back_memory(self) -> None:
        """Let the C library return what hashing took: it keeps 19 MiB for each thread otherwise."""
        if self._pending == 0:
            self._threads.submit(_trim_heap)


def _hash(password: str) -> str:
    hashed: str = _ARGON2ID.hash(unicodedata.normalize("NFC", password))
    return hashed


def _verify(password: str, stored_hash: str, may_upgrade: bool) -> Verdict:
    begun, begun_cost = time.monotonic(), time.thread_time()
    try:
        matches = _matches(password, stored_hash)
    except (ValueError, TypeError):  # libpass's errors are all ValueError or TypeError
        logger.error("a stored password hash cannot be used: unknown form or absurd cost")
        _hash(password)  # SECURITY: such an account takes as long as any other
        matches = False
    seconds, cost = time.monotonic() - begun, time.thread_time() - begun_cost
    upgrade = matches and may_upgrade and _is_outdated(stored_hash)
    return Verdict(matches, seconds, cost, _hash(password) if upgrade else None)


def is_usable(stored_hash: str) -> bool:
    """Whether a login can be compared with this hash: bcrypt or argon2, whole, and of no absurd cost."""
    try:
        _ensure_usable(stored_hash)
    except (ValueError, TypeError):
        return False
    return True


def _ensure_usable(stored_hash: str) -> None:
    if not stored_hash.startswith("$argon2"):
        parsed = bcrypt.from_string(stored_hash)
        if parsed.checksum is None or parsed.rounds > _MAX_BCRYPT_ROUNDS:
            raise ValueError("no checksum, or absurd cost")
        return
    parsed = argon2.from_string(stored_hash)
    if (
        parsed.type == "d"
        or parsed.memory_cost > _MAX_ARGON2_KIB
        or parsed.memory_cost * parsed.rounds > _MAX_ARGON2_KIB_PASSES
        or parsed.parallelism > _MAX_ARGON2_LANES
    ):
        raise ValueError("absurd cost")


def _matches(password: str, stored_hash: str) -> bool:
    _ensure_usable(stored_hash)
    if stored_hash.startswith("$argon2"):
        return any(argon2.verify(form, stored_hash) for form in _forms(password))
    # PHP and every other bcrypt look at 72 bytes; bcrypt 5 raises instead
    return any(bcrypt.verify(form.encode()[:_BCRYPT_BYTES], stored_hash) for form in _forms(password))


def _forms(password: str) -> set[str]:
    """The password as sent, as other systems hashed it, and in NFC, as this one does."""
    return {password, unicodedata.normalize("NFC", password)}


def _is_outdated(stored_hash: str) -> bool:
    return not stored_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def _use_one_heap() -> None:
    """Let threads hash in the main heap; of the heaps that glibc would give them, malloc_trim leaves the top."""
    with suppress(OSError, AttributeError):  # other C libraries have neither these functions nor the need
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _trim_heap() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _yield_to_the_event_loop() -> None:
    # Linux gives each thread a niceness of its own
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
