"""One connection by a URL of the settings, as everything here makes it."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from wutang_auth.database.preflight import check_reported


async def connect(url: str, **options: Any) -> "asyncpg.Connection[Any]":
    """A connection to a PostgreSQL that is fit for the service; the options are asyncpg's.

    Raises:
        DatabaseUnfit: PostgreSQL is too old, or its text is not UTF-8.
    """
    passfile = dict(parse_qsl(urlsplit(url).query)).get("passfile")
    if passfile:
        options["passfile"] = Path(passfile)  # asyncpg takes the URL's own for a Path that it is not
    connection = await asyncpg.connect(url, **options)
    try:
        check_reported(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection
