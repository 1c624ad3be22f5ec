"""A database of MySQL or MariaDB, read by PyMySQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from wutang_auth.repository.laravel.source import Row, SourceError, in_system_words

try:
    import pymysql
    from pymysql.converters import encoders
    from pymysql.cursors import SSCursor
except ImportError:
    raise SourceError("PyMySQL is not installed; run pip install 'wutang-auth[mysql]'") from None

T = TypeVar("T")

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 60
_ROWS_AT_ONCE = 1000


class MySqlSource:
    """One connection with an open snapshot."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def columns(self, table: str) -> list[str]:
        """The names of a table's columns, in order."""
        async with _cursor(self._connection, f"SELECT * FROM {_quoted(table)} LIMIT 0") as cursor:
            return [column[0] for column in cursor.description]

    async def count(self, table: str) -> int:
        """The number of a table's rows."""
        async with _cursor(self._connection, f"SELECT count(*) FROM {_quoted(table)}") as cursor:
            [[count]] = await _run(cursor.fetchall)
            return int(count)

    async def rows(self, table: str, columns: Sequence[str]) -> AsyncIterator[Row]:
        """The rows of a table, one by one, ordered by the first column."""
        names = ", ".join(map(_quoted_name, columns))
        async with _cursor(self._connection, f"SELECT {names} FROM {_quoted(table)} ORDER BY 1") as cursor:
            while rows := await _run(cursor.fetchmany, _ROWS_AT_ONCE):
                for row in rows:
                    yield tuple(map(_text, row))


@asynccontextmanager
async def open_mysql(url: str, password: str | None) -> AsyncIterator[MySqlSource]:
    """A snapshot that holds no row and keeps no writer waiting (InnoDB's consistent read).

    Raises:
        SourceError: the database cannot be reached, or refuses.
    """
    connection = await _run(_connect, url, password)
    try:
        for statement in (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION net_write_timeout = 600",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ):
            async with _cursor(connection, statement):
                pass
        yield MySqlSource(connection)
    finally:
        connection._force_close()  # noqa: SLF001 -- close() would say goodbye to a server that may be gone


def _connect(url: str, password: str | None) -> Any:
    address = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(address.query, strict_parsing=bool(address.query)).items()}
    if unknown := options.keys() - {"unix_socket", "ssl_ca"}:
        raise SourceError(f"--from: a mysql:// URL takes unix_socket and ssl_ca, not {min(unknown)}")
    database = unquote(address.path.removeprefix("/"))
    if not database:
        raise SourceError("--from: the URL names no database, as in mysql://user@host/shop")
    return pymysql.connect(
        host=address.hostname or "127.0.0.1",
        port=address.port or 3306,
        user=unquote(address.username or "root"),
        password=password if password is not None else unquote(address.password or ""),
        database=database,
        charset="utf8mb4",
        conv=encoders,  # and no decoders: every value as the server writes it
        cursorclass=SSCursor,  # streams; the ordinary one fetches all rows at once
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_SILENCE_SECONDS,
        program_name="wutang-auth",
        **options,
    )


@asynccontextmanager
async def _cursor(connection: Any, sql: str) -> AsyncIterator[Any]:
    cursor = connection.cursor()
    await _run(cursor.execute, sql)
    yield cursor
    await _run(cursor.close)


async def _run(call: Callable[..., T], *arguments: object) -> T:
    """What PyMySQL does, which blocks, in a thread.

    Raises:
        SourceError: it failed.
    """
    try:
        return await asyncio.to_thread(call, *arguments)
    except pymysql.Error as error:
        # SECURITY: the message of the server, which names tables and accounts, and no password or row
        number, *rest = error.args or ("",)
        raise SourceError(f"MySQL: {rest[0] if rest else number}".partition("\n")[0]) from None
    except OSError as error:
        raise SourceError(f"MySQL: {in_system_words(error)}") from None


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _quoted(table: str) -> str:
    return ".".join(map(_quoted_name, table.split(".")))


def _quoted_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
