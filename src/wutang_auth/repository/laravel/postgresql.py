"""A database of PostgreSQL, read by asyncpg."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from wutang_auth.repository.laravel.source import Row, SourceError, in_system_words

_CONNECT_SECONDS = 10
_ROWS_AT_ONCE = 1000


class PostgreSqlSource:
    """One connection with an open snapshot."""

    def __init__(self, raw: "asyncpg.Connection[Any]") -> None:
        self._raw = raw

    async def columns(self, table: str) -> list[str]:
        """The names of a table's columns, in order."""
        with _told():
            statement = await self._raw.prepare(f"SELECT * FROM {_quoted(table)} LIMIT 0")
            return [attribute.name for attribute in statement.get_attributes()]

    async def count(self, table: str) -> int:
        """The number of a table's rows."""
        with _told():
            return int(await self._raw.fetchval(f"SELECT count(*) FROM {_quoted(table)}"))

    async def rows(self, table: str, columns: Sequence[str]) -> AsyncIterator[Row]:
        """The rows of a table, one by one, ordered by the first column."""
        names = ", ".join(f"{_quoted_name(name)}::text" for name in columns)
        sql = f"SELECT {names} FROM {_quoted(table)} ORDER BY {_quoted_name(columns[0])}"
        with _told():
            async for row in self._raw.cursor(sql, prefetch=_ROWS_AT_ONCE):
                yield tuple(row)


@asynccontextmanager
async def open_postgresql(url: str, password: str | None) -> AsyncIterator[PostgreSqlSource]:
    """A snapshot that holds no row and keeps no writer waiting (REPEATABLE READ, READ ONLY).

    Raises:
        SourceError: the database cannot be reached, or refuses.
    """
    settings = {"application_name": "wutang-auth", "DateStyle": "ISO", "TimeZone": "UTC"}
    with _told():
        raw = await asyncpg.connect(
            url, password=password, timeout=_CONNECT_SECONDS, statement_cache_size=0, server_settings=settings
        )
        await raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield PostgreSqlSource(raw)
    finally:
        with suppress(Exception):
            await raw.close(timeout=_CONNECT_SECONDS)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        # SECURITY: the message of the server, which names tables and accounts; the detail would have values
        raise SourceError(f"PostgreSQL: {error.args[0] if error.args else 'it refuses'}".partition("\n")[0]) from None
    except (asyncpg.InterfaceError, ValueError):
        raise SourceError("PostgreSQL: the connection was lost, or --from is no URL of a database") from None
    except OSError as error:
        raise SourceError(f"PostgreSQL: {in_system_words(error)}") from None


def _quoted(table: str) -> str:
    return ".".join(map(_quoted_name, table.split(".")))


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
