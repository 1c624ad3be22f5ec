"""Where the tables are: on one server, or spread over several by the extension Citus (docs/distributed.md)."""

from typing import Final

import asyncpg

from wutang_auth.database import Database, Statement
from wutang_auth.errors import DatabaseMisconfigured

SPREAD: Final = (
    # a table that is spread has no unique constraint without its key, and `emails` has it instead
    "ALTER TABLE users DROP CONSTRAINT users_canonical_email_key",
    # nor does a table that is not refer to one that is
    "ALTER TABLE mails DROP CONSTRAINT mails_user_id_fkey",
    "ALTER TABLE mail_tokens DROP CONSTRAINT mail_tokens_user_id_fkey",
    "ALTER TABLE totps DROP CONSTRAINT totps_user_id_fkey",
    "ALTER TABLE recovery_codes DROP CONSTRAINT recovery_codes_user_id_fkey",
    "ALTER TABLE challenges DROP CONSTRAINT challenges_user_id_fkey",
    "SELECT create_distributed_table('users', 'id')",
    "SELECT create_distributed_table('sessions', 'user_id', colocate_with => 'users')",
    "SELECT create_distributed_table('takeover_users', 'user_id', colocate_with => 'users')",
    "SELECT create_distributed_table('emails', 'canonical_email')",
)
"""SQL: what spreads the tables, in this order and in one transaction."""


class Distribution:
    """Whether the tables are spread, and how they are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_spread: bool | None = None

    # the index of the unique constraint that goes when they are: every node of a cluster knows of it
    IS_SPREAD = Statement("""
        SELECT to_regclass('users') IS NOT NULL AND to_regclass('users_canonical_email_key') IS NULL AS is_spread
    """)

    async def is_spread(self) -> bool:
        """Whether they are spread; asked once, since a service is not to run while they are being spread.

        Raises:
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        if self._is_spread is None:
            row = await self._database.fetchrow(self.IS_SPREAD)
            self._is_spread = row is not None and bool(row["is_spread"])
        return self._is_spread

    async def spread(self) -> bool:
        """Spread the tables of a schema that is at head, from the coordinator; False if that was done before.

        Raises:
            DatabaseMisconfigured: the database has not the extension, or that refuses; nothing has changed then.
        """
        async with self._database.connection() as raw, raw.transaction():
            try:
                await raw.execute("SELECT citus_version()")
            except asyncpg.UndefinedFunctionError:
                raise DatabaseMisconfigured(
                    "it has not the extension citus, which spreads tables over several servers;"
                    " docs/distributed.md says how to set that up"
                ) from None
            if await self.is_spread():
                return False
            try:
                for statement in SPREAD:
                    await raw.execute(statement)
            except asyncpg.FeatureNotSupportedError as error:
                raise DatabaseMisconfigured(f"Citus refuses: {error.message}") from error  # which names tables only
            # the driver's questions about types are slow where the extension hides its own tables from them
            database = await raw.fetchval("SELECT quote_ident(current_database())")
            await raw.execute(f"ALTER DATABASE {database} SET citus.show_shards_for_app_name_prefixes = 'wutang-auth'")
        return True
