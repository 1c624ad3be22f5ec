"""The database of a test: how it is made, and what happens to it behind the service's back.

A target is the URL of a database or the settings of a service on it.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from wutang_auth.settings import Settings

SERVER = "WUTANG_TEST_SERVER"  # the variable with the URL of this run's PostgreSQL
TEMPLATE = "WUTANG_TEST_TEMPLATE"  # the variable that says what to copy, and perhaps how: a migrated, empty database

Target = Settings | str

_idle: "dict[str, list[asyncpg.Connection[Any]]]" = {}
"""Connections for the next `query`, by URL; to connect takes the longest."""


@asynccontextmanager
async def kept_connections(url: str) -> AsyncIterator[None]:
    """Keep the connections of `query` to this URL for as long as the block runs, in one event loop."""
    kept = _idle[url] = []
    yield
    del _idle[url]
    for connection in kept:
        await connection.close()


@asynccontextmanager
async def temporary_database(*, migrated: bool = True) -> AsyncIterator[str]:
    """A new, empty database for as long as the block runs."""
    name = f"wutang_test_{uuid4().hex[:12]}"
    await administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {os.environ[TEMPLATE]}" if migrated else ""))
    url = with_database(os.environ[SERVER], name)
    async with kept_connections(url):
        yield url
    await administer(f"DROP DATABASE {name} WITH (FORCE)")


async def administer(statement: str) -> None:
    """One statement for the server as a whole."""
    await query(os.environ[SERVER], statement)


async def query(target: Target, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """One statement by someone else than the service; for what no function here does."""
    kept = _idle.get(url_of(target))
    # no cache of statements: the next one may change the table of this one
    connection = kept.pop() if kept else await asyncpg.connect(url_of(target), statement_cache_size=0)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
    except BaseException:
        await connection.close()
        raise
    if kept is None:
        await connection.close()
    else:
        kept.append(connection)
    return rows


def url_of(target: Target) -> str:
    """The URL of a target."""
    return target if isinstance(target, str) else target.database_url.get_secret_value()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    before, after = re.fullmatch(r"(postgres(?:ql)?://[^/]*)/[^?]*(\?.*)?", url).groups()  # type: ignore[union-attr]
    return f"{before}/{name}{after or ''}"


def _name_of(target: Target) -> str:
    return url_of(target).partition("?")[0].rpartition("/")[2]


# -- the server


async def cut_connections(target: Target) -> None:
    """Every connection of a service to this database, gone at once."""
    own = "application_name = 'wutang-auth' AND datname = $1"
    await query(
        os.environ[SERVER], f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}", _name_of(target)
    )


@asynccontextmanager
async def unreachable(target: Target) -> AsyncIterator[None]:
    """Nobody gets to this database for as long as the block runs."""
    await administer(f"ALTER DATABASE {_name_of(target)} ALLOW_CONNECTIONS false")
    await cut_connections(target)
    yield
    await administer(f"ALTER DATABASE {_name_of(target)} ALLOW_CONNECTIONS true")


@asynccontextmanager
async def read_only(target: Target) -> AsyncIterator[None]:
    """This database takes no writes for as long as the block runs, as a primary that was demoted."""
    await administer(f"ALTER DATABASE {_name_of(target)} SET default_transaction_read_only = on")
    await cut_connections(target)
    yield
    await administer(f"ALTER DATABASE {_name_of(target)} RESET default_transaction_read_only")


@asynccontextmanager
async def locked_sessions(target: Target) -> AsyncIterator[None]:
    """Someone else holds the rows of all sessions for as long as the block runs."""
    async with transaction(target) as connection:
        await connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def transaction(target: Target) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Someone else's transaction, which commits at the end of the block; what it changes is locked until then."""
    connection = await asyncpg.connect(url_of(target))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def wait_for_lock_waiters(target: Target, number: int = 1) -> None:
    """Return when so many statements wait in this database for what another one has locked."""
    waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while await _count(target, waiting) < number:  # noqa: ASYNC110 -- PostgreSQL has no event for it
            await asyncio.sleep(0.02)


async def table_names(target: Target) -> list[str]:
    """The tables that there are, in no order."""
    rows = await query(target, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [row["tablename"] for row in rows]


async def revision_of(target: Target) -> list[str]:
    """The revision of the schema, as Alembic wrote it down: one, or none."""
    return [row["version_num"] for row in await query(target, "SELECT version_num FROM alembic_version")]


async def set_revision(target: Target, revision: str) -> None:
    """The schema claims to be at another revision."""
    await query(target, "UPDATE alembic_version SET version_num = $1", revision)


# -- roles


def as_role(url: str, role: str) -> str:
    """The same database for another role."""
    return re.sub(r"//[^@/]*@", f"//{role}@", url)


@asynccontextmanager
async def roles_of(url: str, *names: str) -> AsyncIterator[dict[str, str]]:
    """Roles that may do nothing, each with a name that no other test has."""
    mark = uuid4().hex[:8]
    roles = {name: f"{name}_{mark}" for name in names}
    for role in roles.values():
        await administer(f"CREATE ROLE {role} LOGIN")
    yield roles
    for role in roles.values():
        await query(url, f"DROP OWNED BY {role} CASCADE")
        await administer(f"DROP ROLE {role}")


# -- time


async def let_time_pass(target: Target, seconds: float, *, user_id: int | None = None) -> None:
    """As if all that is known of sessions and attempts were older by so much; of one user: of sessions only."""
    age = timedelta(seconds=seconds)
    await query(
        target,
        "UPDATE sessions SET created_at = created_at - $1::interval, rotated_at = rotated_at - $1::interval,"
        " confirmed_at = confirmed_at - $1::interval, expires_at = expires_at - $1::interval"
        " WHERE user_id = coalesce($2, user_id)",
        age,
        user_id,
    )
    if user_id is None:
        await query(
            target, "UPDATE attempts SET last_at = last_at - $1::interval, free_at = free_at - $1::interval", age
        )


# -- users


async def count_users(target: Target) -> int:
    """How many users there are."""
    return await _count(target, "users")


async def user_ids(target: Target) -> set[int]:
    """The ids of all users."""
    return {row["id"] for row in await query(target, "SELECT id FROM users")}


async def fill_users(target: Target, number: int) -> None:
    """So many users more, who cannot log in: user1@wutang.example and on."""
    await query(
        target,
        "INSERT INTO users (email, canonical_email, password_hash) SELECT address, address, 'x'"
        " FROM (SELECT 'user' || n || '@wutang.example' FROM generate_series(1, $1) AS n) AS new (address)",
        number,
    )


async def change_users(target: Target, *, user_id: int | None = None, **columns: Any) -> None:
    """Other values in the rows of all users, or of one."""
    changes = ", ".join(f"{column} = ${place}" for place, column in enumerate(columns, 2))
    await query(target, f"UPDATE users SET {changes} WHERE id = coalesce($1, id)", user_id, *columns.values())


async def disable_behind_the_back(target: Target) -> None:
    """All users disabled, with their sessions left as they are."""
    await query(target, "UPDATE users SET disabled_at = now()")


async def delete_users(target: Target) -> None:
    """All users gone, and their sessions with them."""
    await query(target, "DELETE FROM users")


async def stored_hash(target: Target, *, user_id: int | None = None) -> str:
    """The password hash of the first user, or of one."""
    first = "SELECT password_hash FROM users WHERE id = coalesce($1, id) ORDER BY id LIMIT 1"
    [[stored]] = await query(target, first, user_id)
    return str(stored)


async def store_hash(target: Target, password_hash: str, *, user_id: int | None = None) -> None:
    """Another password hash for all users, or for one."""
    await change_users(target, user_id=user_id, password_hash=password_hash)


# -- sessions


async def add_sessions(target: Target, user_id: int, number: int) -> list[UUID]:
    """Sessions as logins begin them, without the time for hashing."""
    rows = await query(
        target,
        "INSERT INTO sessions (user_id, id, expires_at) SELECT $1, gen_random_uuid(), now() + interval '1 day'"
        " FROM generate_series(1, $2) RETURNING id",
        user_id,
        number,
    )
    return [UUID(str(row["id"])) for row in rows]


async def count_sessions(target: Target) -> int:
    """How many sessions there are, the dead ones included."""
    return await _count(target, "sessions")


async def generations_of(target: Target) -> list[int]:
    """The generation of each session, the oldest session first."""
    return [row["generation"] for row in await query(target, "SELECT generation FROM sessions ORDER BY created_at")]


async def addresses_of(target: Target) -> list[str]:
    """The client address that each session was begun from, the oldest session first."""
    return [row["ip"] for row in await query(target, "SELECT ip FROM sessions ORDER BY created_at")]


async def expire_sessions(target: Target, session_id: UUID | None = None, *, left: float = 0) -> None:
    """All sessions, or one, at the end of their lives, or so many seconds before it."""
    await query(
        target,
        "UPDATE sessions SET expires_at = now() + $2 WHERE id = coalesce($1, id)",
        session_id,
        timedelta(seconds=left),
    )


# -- attempts


async def failures_of(target: Target) -> list[int]:
    """How many failures are counted for each key, the fewest first."""
    return [row["failures"] for row in await query(target, "SELECT failures FROM attempts ORDER BY failures")]


async def attempts_of(target: Target) -> list[tuple[int, int]]:
    """How many attempts and how many failures are counted for each key, the fewest failures first."""
    rows = await query(target, "SELECT attempts, failures FROM attempts ORDER BY failures, attempts")
    return [(row["attempts"], row["failures"]) for row in rows]


async def forget_attempts(target: Target) -> None:
    """As if nobody had ever tried to log in."""
    await query(target, "DELETE FROM attempts")


async def prolong_waits(target: Target) -> None:
    """Let every wait that has begun last an hour longer, so that a slow machine does not decide the test."""
    begun = "failures > 0 AND free_at > last_at + interval '100 ms'"
    await query(target, f"UPDATE attempts SET free_at = free_at + interval '1 hour' WHERE {begun}")


async def end_waits(target: Target) -> None:
    """Nobody has to wait any longer; what was counted stays."""
    await query(target, "UPDATE attempts SET free_at = now()")


async def longest_wait(target: Target) -> asyncpg.Record:
    """What is counted for the key that has to wait longest: `key`, `failures`, `last_at`, `free_at`."""
    return (await query(target, "SELECT * FROM attempts ORDER BY free_at DESC LIMIT 1"))[0]


async def _count(target: Target, table: str) -> int:
    [[count]] = await query(target, f"SELECT count(*) FROM {table}")
    return int(count)
