"""The statements of an import: users of an earlier system, streamed into a table of its own and merged from there."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import asyncpg

from wutang_auth.database import Database


@dataclass(frozen=True, slots=True)
class IncomingUser:
    """One row of a file: a user, or what is wrong with it."""

    line: int
    raw: bytes = field(repr=False)
    """As it stands in the file."""
    reason: str | None = None
    """Why it is rejected."""
    id: int | None = None
    email: str | None = None
    canonical_email: str | None = None
    name: str | None = None
    email_verified_at: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)
    scopes: list[str] | None = None
    disabled: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that became no user."""

    line: int
    raw: bytes = field(repr=False)
    reason: str


# plain SQL, since the table is none of the schema's; a row keeps its text for the reject file
_CREATE = """
CREATE TEMPORARY TABLE incoming (
    line bigint, raw bytea, reason text, id bigint, email text, canonical_email text, name text,
    email_verified_at timestamptz, password_hash text, scopes text[], disabled boolean,
    created_at timestamptz, updated_at timestamptz
) ON COMMIT DROP
"""

_REJECT_REPEATED = """
UPDATE incoming SET reason = '{name}: the same as in line ' || repeated.first
FROM (
    SELECT line, min(line) OVER (PARTITION BY {column}) AS first
    FROM incoming WHERE reason IS NULL AND {column} IS NOT NULL
) AS repeated
WHERE incoming.line = repeated.line AND repeated.line > repeated.first
"""

# before the rows are there, so that users who are created meanwhile get ids beyond them
_ADVANCE_IDS = """
SELECT setval(ids.sequence, given.greatest)
FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS sequence) AS ids,
    (SELECT max(id) AS greatest FROM incoming WHERE reason IS NULL) AS given
WHERE given.greatest > coalesce(pg_sequence_last_value(ids.sequence), 0)
"""

_INSERT = """
INSERT INTO users ({id} email, canonical_email, name, email_verified_at, password_hash, scopes, disabled_at,
    created_at, updated_at)
SELECT {id} email, canonical_email, name, email_verified_at, password_hash, scopes,
    CASE WHEN disabled THEN now() END, coalesce(created_at, now()), coalesce(updated_at, created_at, now())
FROM incoming
WHERE reason IS NULL AND id IS {condition}
    AND NOT EXISTS (SELECT FROM users WHERE users.canonical_email = incoming.canonical_email)
ORDER BY line
ON CONFLICT DO NOTHING
"""
_INSERT_GIVEN = _INSERT.format(id="id,", condition="NOT NULL")
_INSERT_NEW = _INSERT.format(id="", condition="NULL")

_REJECT_CONTRADICTING = """
UPDATE incoming
SET reason = CASE
    WHEN found.owner IS NULL THEN 'id: another user has it' ELSE 'email: the user ' || found.owner || ' has it' END
FROM (
    SELECT row.line, users.id AS owner
    FROM incoming AS row LEFT JOIN users ON users.canonical_email = row.canonical_email
    WHERE row.reason IS NULL AND (users.id IS NULL OR users.id <> row.id)
) AS found
WHERE incoming.line = found.line
"""

_REJECTED = "SELECT line, raw, reason FROM incoming WHERE reason IS NOT NULL ORDER BY line"


_values = attrgetter(*(column.name for column in fields(IncomingUser)))


class Import:
    """An import that goes on, in one transaction."""

    def __init__(self, raw: "asyncpg.Connection[Any]") -> None:
        self._raw = raw

    async def add(self, rows: AsyncIterable[IncomingUser]) -> int:
        """Stream rows in and count them."""
        status = await self._raw.copy_records_to_table("incoming", records=_tuples(rows), timeout=None)
        return _count(status)

    async def merge(self) -> int:
        """Make users of the rows whose e-mail nobody has yet and count them; existing users stay as they are."""
        await self._raw.execute("ANALYZE incoming")
        await self._raw.execute(_REJECT_REPEATED.format(column="canonical_email", name="email"))
        await self._raw.execute(_REJECT_REPEATED.format(column="id", name="id"))
        await self._raw.execute(_ADVANCE_IDS)
        merged = _count(await self._raw.execute(_INSERT_GIVEN)) + _count(await self._raw.execute(_INSERT_NEW))
        await self._raw.execute(_REJECT_CONTRADICTING)
        return merged

    async def rejected(self) -> AsyncIterator[RejectedRow]:
        """The rows that became no users, in the file's order."""
        async for row in self._raw.cursor(_REJECTED, prefetch=500):
            yield RejectedRow(*row)


class ImportRepository:
    """Imports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Import]:
        """An import, which commits at the end of the block; not at all if the block raises."""
        async with self._database.connection() as raw, raw.transaction():
            await raw.execute(_CREATE)
            yield Import(raw)


async def _tuples(rows: AsyncIterable[IncomingUser]) -> AsyncIterator[tuple[Any, ...]]:
    async for row in rows:
        yield _values(row)


def _count(status: str) -> int:
    """The number in a command's tag, such as `INSERT 0 5`."""
    return int(status.rpartition(" ")[2])
