"""The schema's revision, in Alembic's own table."""

from wutang_auth.database import Database, Statement


class SchemaRepository:
    """Alembic's own table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    REVISION = Statement("SELECT version_num FROM alembic_version")

    async def revision(self) -> str | None:
        """The schema's revision.

        Raises:
            DatabaseUnavailable: also when there is no schema at all.
        """
        row = await self._database.fetchrow(self.REVISION)
        return None if row is None else str(row["version_num"])
