"""The database where OpenTelemetry is configured: each statement is a span."""

from typing import Any

import asyncpg

from wutang_auth.database.database import Database
from wutang_auth.database.statement import Statement
from wutang_auth.observability import tracing


class TracedDatabase(Database):
    """A Database whose statements are spans, from the call to the rows, with the wait for a connection."""

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own and return its rows."""
        # SECURITY: the name of the statement, none of its values
        attributes = {"db.system.name": "postgresql", "db.query.summary": statement.name}
        with tracing.span(statement.name, attributes, kind="client"):
            return await super().fetch(statement, **parameters)
