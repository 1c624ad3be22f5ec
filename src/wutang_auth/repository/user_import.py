"""The statements of an import: users of an earlier system, streamed into a table of its own and merged from there."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import asyncpg

from wutang_auth.database import Database, Statement, reader
from wutang_auth.errors import EmailTaken


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
    deleted: bool = False
    """Whether the user is deleted there, and only its row is left."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that became no user."""

    line: int
    raw: bytes = field(repr=False)
    reason: str


_COLUMNS = [column.name for column in fields(IncomingUser)]
_values = attrgetter(*_COLUMNS)
_rejected_row = reader(RejectedRow)


def _reject_repeated(column: str, field: str) -> Statement:
    return Statement(f"""
        UPDATE incoming SET reason = '{field}: the same as in line ' || repeated.first
        FROM (
            SELECT line, min(line) OVER (PARTITION BY {column}) AS first
            FROM incoming WHERE reason IS NULL AND {column} IS NOT NULL
        ) AS repeated
        WHERE incoming.line = repeated.line AND repeated.line > repeated.first
    """)


class Import:
    """An import that goes on, in one transaction."""

    # a table of its own, which is none of the schema's; a row keeps its text for the reject file
    CREATE = Statement("""
        CREATE TEMPORARY TABLE incoming (
            line bigint, raw bytea, reason text, id bigint, email text, canonical_email text, name text,
            email_verified_at timestamptz, password_hash text, scopes text[], disabled boolean,
            created_at timestamptz, updated_at timestamptz, deleted boolean,
            owner bigint, new_id bigint, claimant bigint
        ) ON COMMIT DROP
    """)

    def __init__(self, raw: "asyncpg.Connection[Any]") -> None:
        self._raw = raw

    async def add(self, rows: AsyncIterable[IncomingUser]) -> int:
        """Stream rows in and count them."""
        status = await self._raw.copy_records_to_table(
            "incoming", columns=_COLUMNS, records=_tuples(rows), timeout=None
        )
        return affected_rows(status)

    REJECT_REPEATED_EMAIL = _reject_repeated("canonical_email", "email")
    REJECT_REPEATED_ID = _reject_repeated("id", "id")

    # before the rows are there, so that users who are created meanwhile get ids beyond them
    ADVANCE_IDS = Statement("""
        SELECT setval(ids.sequence, given.greatest)
        FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS sequence) AS ids,
            (SELECT max(id) AS greatest FROM incoming WHERE reason IS NULL) AS given
        WHERE given.greatest > coalesce(pg_sequence_last_value(ids.sequence), 0)
    """)

    # `owner` is the user that has the e-mail, `claimant` the one that `emails` names: no claim is committed without its
    # user, so that a claim that was seen before the user was looked for, and in vain, is one that was left behind
    FIND_CLAIMANTS = Statement("""
        UPDATE incoming SET claimant = emails.user_id
        FROM emails
        WHERE emails.canonical_email = incoming.canonical_email AND incoming.reason IS NULL
    """)

    FIND_OWNERS = Statement("""
        UPDATE incoming SET owner = users.id
        FROM users
        WHERE users.canonical_email = incoming.canonical_email AND incoming.reason IS NULL AND incoming.owner IS NULL
    """)

    REJECT_TAKEN_IDS = Statement("""
        UPDATE incoming SET reason = 'id: another user has it'
        FROM users
        WHERE users.id = incoming.id AND incoming.reason IS NULL AND incoming.owner IS NULL
    """)

    LEFT_BEHIND = Statement("""
        SELECT canonical_email, claimant FROM incoming
        WHERE reason IS NULL AND owner IS NULL AND claimant IS NOT NULL
    """)

    RELEASE = Statement("""
        DELETE FROM emails
        WHERE canonical_email = ANY($canonical_emails::text[]) AND user_id = ANY($claimants::bigint[])
    """)

    GIVE_IDS = Statement("""
        UPDATE incoming SET new_id = given.id
        FROM (
            SELECT ordered.line, coalesce(ordered.id, nextval(pg_get_serial_sequence('users', 'id'))) AS id
            FROM (SELECT line, id FROM incoming WHERE reason IS NULL AND owner IS NULL ORDER BY line) AS ordered
        ) AS given
        WHERE incoming.line = given.line
    """)

    INSERT = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        INSERT INTO users (id, email, canonical_email, name, email_verified_at, password_hash, scopes,
            disabled_at, created_at, updated_at)
        SELECT new_id, email, canonical_email, name, email_verified_at, password_hash, scopes,
            CASE WHEN disabled THEN clock.t END,
            coalesce(created_at, clock.t), coalesce(updated_at, created_at, clock.t)
        FROM incoming, clock
        WHERE new_id IS NOT NULL
        ORDER BY line
        ON CONFLICT DO NOTHING
    """)

    CLAIM = Statement("""
        INSERT INTO emails (canonical_email, user_id)
        SELECT canonical_email, new_id FROM incoming WHERE owner = new_id
        ON CONFLICT DO NOTHING
    """)

    REJECT_CONTRADICTING = Statement("""
        UPDATE incoming
        SET reason = CASE
            WHEN owner IS NULL THEN 'id: another user has it'
            ELSE 'email: the user ' || owner || ' has it'
        END
        WHERE reason IS NULL AND (owner IS NULL OR owner <> id)
    """)

    async def merge(self) -> int:
        """Make users of the rows whose e-mail nobody has yet and count them; existing users stay as they are.

        As everywhere, users come before their claims, so that nobody waits in a circle.

        Raises:
            EmailTaken: an address was claimed meanwhile, and no constraint of `users` told.
        """
        await self._raw.execute("ANALYZE incoming")
        for statement in (
            self.REJECT_REPEATED_EMAIL, self.REJECT_REPEATED_ID, self.ADVANCE_IDS,
            self.FIND_CLAIMANTS, self.FIND_OWNERS, self.REJECT_TAKEN_IDS,
        ):  # fmt: skip
            await self._raw.execute(statement.sql)
        if left_behind := await self._raw.fetch(self.LEFT_BEHIND.sql):
            await self._raw.execute(self.RELEASE.sql, *map(list, zip(*left_behind, strict=True)))
        await self._raw.execute(self.GIVE_IDS.sql)
        created = affected_rows(await self._raw.execute(self.INSERT.sql))
        await self._raw.execute(self.FIND_OWNERS.sql)
        if affected_rows(await self._raw.execute(self.CLAIM.sql)) != created:
            raise EmailTaken
        await self._raw.execute(self.REJECT_CONTRADICTING.sql)
        return created

    REJECTED = Statement("SELECT line, raw, reason FROM incoming WHERE reason IS NOT NULL ORDER BY line")

    async def rejected(self) -> AsyncIterator[RejectedRow]:
        """The rows that became no users, in the file's order."""
        async for row in self._raw.cursor(self.REJECTED.sql, prefetch=500):
            yield _rejected_row(row)


class ImportRepository:
    """Imports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Import]:
        """An import, which commits at the end of the block; not at all if the block raises."""
        async with self._database.connection() as raw, raw.transaction():
            await raw.execute(Import.CREATE.sql)
            yield Import(raw)


async def _tuples(rows: AsyncIterable[IncomingUser]) -> AsyncIterator[tuple[Any, ...]]:
    async for row in rows:
        yield _values(row)


def affected_rows(status: str) -> int:
    """The number in a command's tag, such as `INSERT 0 5`."""
    return int(status.rpartition(" ")[2])
