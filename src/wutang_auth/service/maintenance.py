"""What goes on in the background of a running service: following the key file, pruning, calibrating refusals."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wutang_auth.errors import DatabaseUnavailable, Overloaded
from wutang_auth.service.auth import LoginService
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing, KeyRingError

logger = logging.getLogger(__name__)

_PRUNE_PAUSE_SECONDS = 0.1
_PRUNE_BATCH = 1000
_CANCEL_AGAIN_SECONDS = 0.1

Prune = Callable[[int], Awaitable[int]]
"""Deletes at most so many dead rows and tells how many."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often it is done, in seconds."""

    key_file: float = 2.0
    pruning: float = 600.0
    calibration_retry: float = 2.0
    mail_server_retry: float = 30.0
    """At most; the first time it is one second."""


@asynccontextmanager
async def in_background(
    *,
    keys_file: Path,
    use_ring: Sequence[Callable[[KeyRing], None]],
    prunes: Sequence[Prune],
    login: LoginService,
    send_mails: Callable[[], Coroutine[None, None, None]] | None = None,
    key_ring_refused: Callable[[], None] | None = None,
    intervals: Intervals,
) -> AsyncIterator[None]:
    """Do all of it for as long as the block runs; `send_mails` is there where mail is on.

    `key_ring_refused` is called where a changed key ring cannot be used.
    """
    tasks = [
        asyncio.create_task(follow_key_file(keys_file, use_ring, intervals.key_file, key_ring_refused)),
        asyncio.create_task(prune_regularly(prunes, intervals.pruning)),
        asyncio.create_task(calibrate(login, intervals.calibration_retry)),
        *([asyncio.create_task(send_mails())] if send_mails is not None else []),
    ]
    try:
        yield
    finally:
        await _end(tasks)


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: before Python 3.12 `asyncio.wait_for`, in libraries too, may lose one."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def follow_key_file(
    path: Path,
    use_ring: Sequence[Callable[[KeyRing], None]],
    interval: float,
    refused: Callable[[], None] | None = None,
) -> None:
    """Take over a changed key ring; a broken one is refused, which is called then, and the old one stays."""
    seen = _fingerprint(path)
    while True:
        await asyncio.sleep(interval)
        found = _fingerprint(path)
        if found == seen:
            continue
        seen = found
        try:
            ring = await asyncio.to_thread(key_file.load, path)  # checking RSA keys takes a while
        except KeyRingError as error:
            logger.error("the key ring in use stays: %s", error)
            if refused is not None:
                refused()
            continue
        for use in use_ring:
            use(ring)
        logger.info("took over the changed key ring; %s signs", ring.active.kid)


async def prune_regularly(prunes: Sequence[Prune], interval: float) -> None:
    """Delete dead rows, a little at a time, so that nobody waits for it."""
    while True:
        await asyncio.sleep(interval)
        for prune in prunes:
            try:
                while await prune(_PRUNE_BATCH) == _PRUNE_BATCH:  # noqa: ASYNC110 -- a pause, no polling
                    await asyncio.sleep(_PRUNE_PAUSE_SECONDS)
            except DatabaseUnavailable:
                logger.warning("could not prune; will try again later")


async def calibrate(login: LoginService, retry: float) -> None:
    """Learn what the stored hashes cost, as soon as the database is there."""
    while True:
        try:
            await login.calibrate()
        except (DatabaseUnavailable, Overloaded):
            await asyncio.sleep(retry)
        else:
            return


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
