"""The database where OpenTelemetry is configured: each statement is a span."""

from contextlib import AbstractContextManager
from typing import Any

import asyncpg

from wutang_auth.database.database import Database
from wutang_auth.database.statement import Statement
from wutang_auth.database.transaction import Transaction
from wutang_auth.observability import tracing


def _span(statement: Statement) -> AbstractContextManager[None]:
    # SECURITY: the name of the statement, none of its values
    attributes = {"db.system.name": "postgresql", "db.query.summary": statement.name}
    return tracing.span(statement.name, attributes, kind="client")


class TracedTransaction(Transaction):
    """A Transaction whose statements are spans."""

    __slots__ = ()

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        with _span(statement):
            return await super().fetch(statement, **parameters)


class TracedDatabase(Database):
    """A Database whose statements are spans, from the call to the rows, with the wait for a connection."""

    transaction_kind = TracedTransaction

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own and return its rows."""
        with _span(statement):
            return await super().fetch(statement, **parameters)
