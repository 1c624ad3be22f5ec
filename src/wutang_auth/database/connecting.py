"""One connection by a URL of the settings, as everything here makes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from wutang_auth.database.preflight import check_reported
from wutang_auth.errors import DatabaseUnfit, in_words

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


async def connect(url: str, **options: Any) -> "asyncpg.Connection[Any]":
    """A connection to a PostgreSQL that is fit for the service; the options are asyncpg's.

    Raises:
        DatabaseUnfit: PostgreSQL is too old, its text is not UTF-8, or a file that the URL names cannot be read.
    """
    parameters = dict(parse_qsl(urlsplit(url).query))
    if "passfile" in parameters:
        options["passfile"] = Path(parameters["passfile"])  # asyncpg takes the text in the URL for a Path
    if "application_name" in parameters:
        given = options.get("server_settings") or {}
        options["server_settings"] = {name: value for name, value in given.items() if name != "application_name"}
    try:
        connection = await asyncpg.connect(url, **options)
    except OSError:
        _check_files(parameters)
        raise
    try:
        check_reported(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _check_files(parameters: Mapping[str, str]) -> None:
    """Name the file that cannot be read; what is raised otherwise names none."""
    for name in _FILES:
        try:
            if name in parameters:
                Path(parameters[name]).open("rb").close()
        except OSError as error:
            why = f"the file {parameters[name]} cannot be read: {in_words(error)}"
            raise DatabaseUnfit(f"{name} of WUTANG_DATABASE_URL: {why}", public=f"{name} cannot be read") from None
