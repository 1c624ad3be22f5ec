"""What the service finds in PostgreSQL: the schema's revision, in Alembic's own table, and what its role may do."""

from wutang_auth.database import Database, FailureLog, Statement
from wutang_auth.database.preflight import check_isolation
from wutang_auth.errors import DatabaseMisconfigured

_THE_ROLE = "the role"
_CHANGED = (
    "attempts", "challenges", "emails", "legacy_tokens", "mail_tokens", "mails", "recovery_codes", "revocations",
    "sessions", "takeover_users", "totps", "users",
)  # fmt: skip
NEEDED = (
    ("alembic_version", "SELECT"),
    *((table, privilege) for table in _CHANGED for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")),
)
"""The privileges of the service's role: a table and what is done there."""


class SchemaRepository:
    """The schema as a whole, and the role."""

    def __init__(self, database: Database, failure_log: FailureLog) -> None:
        self._database = database
        self._failure_log = failure_log

    REVISION = Statement("SELECT version_num FROM alembic_version")

    async def revision(self) -> str | None:
        """The schema's revision.

        Raises:
            DatabaseUnavailable: also when there is no schema at all.
        """
        row = await self._database.fetchrow(self.REVISION)
        return None if row is None else str(row["version_num"])

    ROLE = Statement("""
        SELECT
            current_setting('default_transaction_isolation') AS isolation,
            ARRAY(
                SELECT needed.privilege || ' on ' || needed.name
                FROM unnest($names::text[], $privileges::text[]) AS needed (name, privilege)
                WHERE NOT has_table_privilege(needed.name, needed.privilege)
            ) AS missing
    """)

    async def check_role(self) -> None:
        """Look whether the role may do what requests do; what is wrong goes to the log once.

        Raises:
            DatabaseMisconfigured: it may not, or its transactions begin with another isolation level than they must.
        """
        names, privileges = zip(*NEEDED, strict=True)
        row = await self._database.fetchrow(self.ROLE, names=names, privileges=privileges)
        if row is None:
            return
        try:
            check_isolation(row["isolation"])
            _check_privileges(row["missing"])
        except DatabaseMisconfigured as error:
            self._failure_log.failed(_THE_ROLE, str(error))
            raise
        self._failure_log.succeeded(_THE_ROLE)


def _check_privileges(missing: list[str]) -> None:
    if missing:
        public = f"permission denied: {', '.join(missing)}"
        raise DatabaseMisconfigured(f"{public}; docs/privileges.md has the GRANTs", public=public)
