"""The schema's revision, by Alembic's own table."""

from wutang_auth.database import Database
from wutang_auth.repository import sql

REVISION = "0002"
"""Alembic's newest revision, which `models` is; here too, so that a starting service need not load Alembic."""


class SchemaRepository:
    """Alembic's own table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revision(self) -> str | None:
        """The schema's revision.

        Raises:
            DatabaseUnavailable: also when there is no schema at all.
        """
        row = await self._database.fetchrow(sql.SCHEMA_REVISION)
        return None if row is None else str(row[0])
