"""The statement on Alembic's own table."""

from sqlalchemy import column, select, table

from wutang_auth.database import Database, Statement


class SchemaRepository:
    """Alembic's own table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))

    async def revision(self) -> str | None:
        """The schema's revision.

        Raises:
            DatabaseUnavailable: also when there is no schema at all.
        """
        row = await self._database.fetchrow(self._REVISION)
        return None if row is None else str(row[0])
