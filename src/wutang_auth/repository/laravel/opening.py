"""Which store an address names."""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from wutang_auth.repository.laravel.blacklist import CacheEntry, entry_of
from wutang_auth.repository.laravel.file_store import file_entries
from wutang_auth.repository.laravel.source import Source, SourceError

_SCHEME = re.compile("([a-z][a-z0-9+]*)://", re.IGNORECASE)


def is_url(address: str) -> bool:
    """Whether an address is a URL, not a path."""
    return _SCHEME.match(address) is not None


def open_database(address: str, password: str | None) -> AbstractAsyncContextManager[Source]:
    """The database of a URL.

    Raises:
        SourceError: it is a URL of something else, or what reads such a database is not installed.
    """
    scheme = address.partition("://")[0].lower()
    if scheme in ("mysql", "mariadb"):
        from wutang_auth.repository.laravel.mysql import open_mysql

        return open_mysql(address, password)
    if scheme in ("postgresql", "postgres", "pgsql"):
        from wutang_auth.repository.laravel.postgresql import open_postgresql

        return open_postgresql(_SCHEME.sub("postgresql://", address, count=1), password)
    raise SourceError(f"--from: {scheme}:// is no such database; give mysql:// or postgresql://")


async def open_blacklist(address: str, password: str | None, table: str) -> AsyncIterator[CacheEntry]:
    """The entries of the cache store at an address.

    Raises:
        SourceError: the store cannot be read, or the address names none.
    """
    if not is_url(address):
        entries = file_entries(Path(address))
    elif address.lower().startswith(("redis://", "rediss://", "unix://")):
        from wutang_auth.repository.laravel.redis_store import redis_entries

        entries = redis_entries(address, password)
    else:
        entries = _table_entries(open_database(address, password), table)
    async for entry in entries:
        yield entry


async def _table_entries(database: AbstractAsyncContextManager[Source], table: str) -> AsyncIterator[CacheEntry]:
    async with database as source:
        async for key, value, expires_at in source.rows(table, ("key", "value", "expiration")):
            yield entry_of((key or "").encode(), (value or "").encode(), expires_at)
