"""The schema's migrations, and how they are applied."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from wutang_auth.database.revision import MIGRATIONS

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

_CONNECT_SECONDS = 10


class MigrationError(Exception):
    """The schema could not be looked at or changed; the message says why."""


def config(url: str | None = None) -> "Config":
    """Alembic's configuration for the database at this URL."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["url"] = url
    return settings


def current(url: str) -> str | None:
    """The database's revision, None for an empty database; not for a running event loop.

    Raises:
        MigrationError: the database cannot be reached.
    """
    return _translated(lambda: asyncio.run(_current(url)))


def is_known(revision: str) -> bool:
    """Whether this version has such a migration; a newer version's it does not have."""
    from alembic.script import ScriptDirectory

    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def upgrade(url: str) -> None:
    """Bring the schema to head; not for a running event loop.

    Raises:
        MigrationError: the database cannot be reached, or refuses.
    """
    from alembic import command  # late: most processes never migrate

    _translated(lambda: command.upgrade(config(url), "head"))


async def _current(url: str) -> str | None:
    connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return revision


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        raise MigrationError(f"the database cannot be reached or refuses ({type(error).__name__})") from error
