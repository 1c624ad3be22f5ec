"""`wutang-auth serve`: the service in production."""

import asyncio
import logging
from typing import Annotated

import typer

from wutang_auth.cli.context import CommandError, in_one_line, load
from wutang_auth.database import preflight
from wutang_auth.errors import DatabaseUnavailable, DatabaseUnfit
from wutang_auth.factory import check_texts, load_ring, open_database
from wutang_auth.settings import Settings, SettingsError

logger = logging.getLogger(__name__)


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
) -> None:
    """Serve the API; the settings come from the environment and .env."""
    settings = load(Settings, log=True)
    from wutang_auth.server import process as server
    from wutang_auth.tokens.key_ring import KeyRingError

    app = None
    try:
        if workers == 1:
            app = server.create_app(settings)
        else:
            load_ring(settings)
            check_texts(settings)
    except KeyRingError as error:
        raise CommandError(f"WUTANG_KEYS_FILE: {error}") from None
    except SettingsError as error:
        raise CommandError(str(error)) from None
    with in_one_line():
        asyncio.run(_check_database(settings))
    try:
        listener = server.bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    bound = listener.getsockname()[1]
    server.logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, bound)
    server.run(settings, listener, app=app, workers=workers)


async def _check_database(settings: Settings) -> None:
    """Look whether the database is fit. Where it is not there, the service starts all the same and waits for it.

    Raises:
        DatabaseUnfit: the service cannot rest on it.
    """
    database = open_database(settings, size=1)
    try:
        async with database.connection() as connection:
            await preflight.check(connection)
    except DatabaseUnfit:
        raise
    except DatabaseUnavailable as error:
        logger.warning("the database cannot be used yet: %s", error)
    finally:
        await database.close()
