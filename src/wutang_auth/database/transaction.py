"""A transaction: several statements that happen together or not at all."""

from typing import Any

import asyncpg

from wutang_auth.database.failure_log import FailureLog
from wutang_auth.database.failures import failure_of
from wutang_auth.database.sqlstates import Fate
from wutang_auth.database.statement import Statement


class Transaction:
    """One open transaction: the same two verbs as Database."""

    __slots__ = ("_failure_log", "_raw")

    def __init__(self, raw: "asyncpg.Connection[Any]", failure_log: FailureLog | None) -> None:
        self._raw = raw
        self._failure_log = failure_log

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        try:
            rows: list[asyncpg.Record] = await self._raw.fetch(statement.sql, *statement.arguments(parameters))
        except asyncpg.PostgresError as error:
            # translated by whoever has the connection, who must know whether it can be used on
            failure = failure_of(error)
            if self._failure_log is not None and failure.fate is Fate.OPERATOR:
                self._failure_log.failed(statement, str(failure))
            raise
        if self._failure_log is not None and self._failure_log.failing:
            self._failure_log.succeeded(statement)
        return rows

    async def fetchrow(self, statement: Statement, **parameters: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None
