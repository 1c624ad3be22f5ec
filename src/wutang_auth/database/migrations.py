"""The schema's migrations, and how they are applied."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from wutang_auth.database import preflight
from wutang_auth.database.connecting import connect
from wutang_auth.database.failures import raise_translated
from wutang_auth.database.migration_locks import Waiting
from wutang_auth.database.revision import MIGRATIONS
from wutang_auth.errors import DatabaseUnavailable, SchemaLocked

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_STATEMENT_CACHE = 100
_LOCK_PAUSES = (1.0, 2.0, 4.0, 8.0)  # longer than the waits, so that whoever waited behind them gets on
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


def config(url: str | None = None, *, connect_timeout: float = _CONNECT_SECONDS, prepare: bool = True) -> "Config":
    """Alembic's configuration for the database at this URL; alembic/env.py reads its attributes."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes.update(url=url, connect_timeout=connect_timeout, prepare=prepare)
    return settings


def current(url: str, *, connect_timeout: float = _CONNECT_SECONDS, prepare: bool = True) -> str | None:
    """The database's revision, None for an empty database; not for a running event loop.

    Args:
        url: The database.
        connect_timeout: Longest wait for a connection, in seconds.
        prepare: Whether statements may be prepared, which some poolers cannot take.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
        DatabaseMisconfigured: it refuses, or is not fit for the service.
    """
    return _translated(lambda: asyncio.run(_current(url, connect_timeout, prepare)))


def is_known(revision: str) -> bool:
    """Whether this version has such a migration; a newer version's it does not have."""
    from alembic.script import ScriptDirectory

    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def upgrade(
    url: str,
    *,
    connect_timeout: float = _CONNECT_SECONDS,
    prepare: bool = True,
    lock_pauses: Sequence[float] = _LOCK_PAUSES,
) -> None:
    """Bring the schema to head, however long that takes; not for a running event loop.

    A migration waits a second for a lock at most, since everyone who needs the table waits behind it. Then it is tried
    again after each of the pauses, in seconds. The other arguments are those of `current`.

    Raises:
        SchemaLocked: another session held a lock at each attempt.
        DatabaseUnavailable: the database cannot be reached.
        DatabaseMisconfigured: it refuses, or is not fit for the service.
        asyncpg.PostgresError: it does not take a migration.
    """
    from alembic import command  # late: most processes never migrate
    from alembic.script import ScriptDirectory

    found = config(url, connect_timeout=connect_timeout, prepare=prepare)
    before = current(url, connect_timeout=connect_timeout, prepare=prepare) or "base"
    steps = [script.revision for script in ScriptDirectory.from_config(found).iterate_revisions("head", before)]
    # each in a transaction of its own: a lock that one takes is not held while the next one moves data
    for step in reversed(steps):
        _attempt(partial(command.upgrade, found, step), found, lock_pauses)


def _attempt(migrate: Callable[[], None], found: "Config", pauses: Sequence[float]) -> None:
    """Do one migration, and again after each pause where another session holds a lock."""
    remaining = list(pauses)
    while True:
        waiting = found.attributes["waiting"] = Waiting()
        try:
            _translated(migrate)
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, _LOCKED):
                raise
            if not remaining:
                holder = waiting.holder or "a table"
                raise SchemaLocked(f"another session holds a lock on {holder}; try again") from error
        else:
            return
        time.sleep(remaining.pop(0))


async def _current(url: str, connect_timeout: float, prepare: bool) -> str | None:
    try:
        connection = await connect(
            url, timeout=connect_timeout, statement_cache_size=_STATEMENT_CACHE if prepare else 0
        )
    except Exception as error:
        raise_translated(error, connecting=True)
        raise
    try:
        await preflight.check(connection)
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return revision


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except SQLAlchemyError as error:
        cause = _cause(error)
        raise_translated(cause)
        raise cause from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise_translated(error)
        raise


def _cause(error: BaseException) -> BaseException:
    """What the driver raised, which SQLAlchemy has wrapped twice."""
    while not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        inner = error.orig if isinstance(error, DBAPIError) else error.__cause__
        if inner is None:
            break
        error = inner
    return error
