"""What a migration waits for: its turn, and the locks of others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

_POLL_SECONDS = 0.1
_TURN = "SELECT pg_try_advisory_xact_lock(7310238455)"  # any number, the same for every migration of this service
_KEEP_IT = "SET LOCAL idle_in_transaction_session_timeout = 0"
_HOLDER = """
    SELECT waiting.relation::regclass::text AS relation, holder.pid, holder.application_name
    FROM pg_locks AS waiting
    CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
    JOIN pg_stat_activity AS holder ON holder.pid = blocking.pid
    WHERE waiting.pid = $1 AND NOT waiting.granted
    ORDER BY holder.xact_start
    LIMIT 1
"""

LIMIT = "SELECT pg_backend_pid(), set_config('lock_timeout', '1s', true)"
"""SQL: nothing else in this transaction waits longer for a lock; who waits behind it waits no longer either."""


@asynccontextmanager
async def turn(connect: Connect) -> AsyncIterator[None]:
    """No other migration of this database runs while the block does.

    The lock is held by a connection of its own that asks nothing meanwhile: an index that is built concurrently waits
    for every transaction that looks at anything, and would wait for whoever waits for it.
    """
    connection = await connect()
    try:
        while True:
            transaction = connection.transaction()
            await transaction.start()
            if await connection.fetchval(_TURN):
                break
            await transaction.rollback()
            await asyncio.sleep(_POLL_SECONDS)
        await connection.execute(_KEEP_IT)
        yield
    finally:
        await connection.close()


@dataclass(slots=True)
class Waiting:
    """What is known of a migration that waits for a lock."""

    pid: int | None = None
    """PostgreSQL's process that runs it."""
    holder: str | None = None
    """What is locked and by whom, for people: of the last wait."""


@asynccontextmanager
async def watch(connect: Connect, waiting: Waiting) -> AsyncIterator[None]:
    """Note for as long as the block runs who holds what the migration waits for."""
    connection = await connect()
    task = asyncio.create_task(_look(connection, waiting))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await task
        await connection.close()


async def _look(connection: "asyncpg.Connection[Any]", waiting: Waiting) -> None:
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        row = None if waiting.pid is None else await connection.fetchrow(_HOLDER, waiting.pid)
        if row is not None:
            what = "a row" if row["relation"] is None else f"`{row['relation']}`"
            who = f"pid {row['pid']}, {row['application_name'] or 'of no name'}"
            waiting.holder = f"{what} ({who})"
