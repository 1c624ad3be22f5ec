"""A connection with the statements that are prepared on it, and the time limit of the one that it runs."""

import math
from typing import Any, Protocol

import asyncpg

from wutang_auth.database.hosts import Host
from wutang_auth.database.statement import Statement

_AWAITS_A_STANDBY = "SELECT current_setting('synchronous_standby_names', true) <> ''"
# A write without a row. The lock, by an arbitrary number, lets one proof of all instances wait for a standby that is
# away: the others wait for the lock, which they leave when they are cut off.
_WRITE = "SELECT pg_advisory_xact_lock(2004186209), pg_logical_emit_message(true, 'wutang-auth', '')"


class _Prepared(Protocol):
    """What asyncpg's prepared statement does for us."""

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]: ...


class _Unprepared:
    """The same for a statement that is sent as text each time, as a pooler in between may need it."""

    def __init__(self, raw: "asyncpg.Connection[Any]", sql: str) -> None:
        self._raw = raw
        self._sql = sql

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._raw.fetch(self._sql, *arguments)
        return rows


class Connection:
    """An asyncpg connection that somebody keeps for more than one statement."""

    __slots__ = ("_host", "_may_prepare", "_prepared", "_settings", "deadline", "is_closed", "raw")

    def __init__(self, raw: "asyncpg.Connection[Any]", host: Host, *, may_prepare: bool) -> None:
        self.raw = raw
        self.is_closed = raw.is_closed
        self.deadline = math.inf
        """When the statement that it runs has taken too long, by the loop's clock."""
        self._host = host
        self._may_prepare = may_prepare
        self._settings = raw.get_settings()
        self._prepared: dict[Statement, _Prepared] = {}

    def cut(self) -> None:
        """End it without a word to the server.

        SECURITY: what it runs is not cancelled: a cancelled COMMIT that waits for its synchronous standby would become
        visible without being safe.
        """
        self.raw.terminate()

    async def fetch(self, statement: Statement, parameters: dict[str, Any], now: float) -> list[asyncpg.Record]:
        """Run a statement and return its rows; `now` is by the loop's clock.

        Raises:
            asyncpg.ReadOnlySQLTransactionError: the server has become read-only, which it tells with its answer.
        """
        if now > self._host.believed_until:
            await self._prove_primary()
        prepared = self._prepared.get(statement) or await self._prepare(statement)
        rows = await prepared.fetch(*statement.arguments(parameters))
        # SECURITY: a primary that was demoted does not know of the log-outs on the new one, but would go on answering
        if getattr(self._settings, "default_transaction_read_only", "off") != "off":
            raise asyncpg.ReadOnlySQLTransactionError("the server has become read-only")
        self._host.has_answered(now)
        return rows

    async def _prove_primary(self) -> None:
        """Have a write acknowledged by the standby, where the server is to wait for one.

        SECURITY: a primary that was frozen and goes on takes itself for one, though its standby has taken over and
        log-outs are on the new one. It is found out by a commit: the standby that has left acknowledges none.
        """
        try:
            if await self.raw.fetchval(_AWAITS_A_STANDBY):
                await self.raw.execute(_WRITE)
        except BaseException:
            self._host.believed_until = -math.inf  # the others come first
            raise

    async def _prepare(self, statement: Statement) -> _Prepared:
        if not self._may_prepare:
            return _Unprepared(self.raw, statement.sql)
        prepared: _Prepared = await self.raw.prepare(statement.sql)
        self._prepared[statement] = prepared
        return prepared
