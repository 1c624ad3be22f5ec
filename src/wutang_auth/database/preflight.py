"""What everything rests on: whether this PostgreSQL, and what its role is set to, are fit for the service."""

from typing import Any

import asyncpg

from wutang_auth.errors import DatabaseUnfit

MINIMUM_VERSION = 13

_ISOLATION = "SELECT current_setting('default_transaction_isolation')"


def check_reported(connection: "asyncpg.Connection[Any]") -> None:
    """Look at what the server says of itself with each connection, for which nothing need be asked.

    Raises:
        DatabaseUnfit: it is too old, or its text is not UTF-8.
    """
    version = connection.get_server_version()
    if version.major < MINIMUM_VERSION:
        raise DatabaseUnfit(
            f"PostgreSQL {version.major} is too old; the service needs {MINIMUM_VERSION} or newer",
            public="PostgreSQL is too old",
        )
    encoding = getattr(connection.get_settings(), "server_encoding", "UTF8")
    if encoding != "UTF8":
        raise DatabaseUnfit(
            f"the database has the encoding {encoding} and cannot hold every name;"
            " make it again: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'",
            public="the database's encoding is not UTF8",
        )


async def check(connection: "asyncpg.Connection[Any]") -> None:
    """Look at what has to be asked for too.

    Raises:
        DatabaseUnfit: transactions would not see what others have committed meanwhile.
    """
    check_reported(connection)
    check_isolation(await connection.fetchval(_ISOLATION))


def check_isolation(isolation: str) -> None:
    """Look at the isolation level that transactions begin with.

    Raises:
        DatabaseUnfit: it is another one than the statements are made for.
    """
    if isolation != "read committed":
        raise DatabaseUnfit(
            f"transactions begin with the isolation level {isolation}, not read committed;"
            " ALTER ROLE <role> RESET default_transaction_isolation",
            public="default_transaction_isolation is not read committed",
        )
