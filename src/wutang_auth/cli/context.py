"""What a command works on: a database, the settings, the key ring; and how it fails."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from wutang_auth import settings as settings_module
from wutang_auth.database import Database
from wutang_auth.embedded import EmbeddedError, EmbeddedPostgres
from wutang_auth.errors import AuthError, DatabaseUnavailable, EmailTaken, InvalidParameters, NotFound
from wutang_auth.messages import field_problem
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import SessionRepository, UserRepository
from wutang_auth.service import UserService
from wutang_auth.settings import Settings, SettingsError

T = TypeVar("T")

DataDir = Annotated[
    Path, typer.Option("--data-dir", help="The data directory of `dev`; used without WUTANG_DATABASE_URL.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document, for programs.")]

DATA_DIR = Path(".wutang")


class CommandError(Exception):
    """A command failed; the message says what happened and what to do next."""


def load_settings(**given: object) -> Settings:
    """The settings, or one clear line.

    Raises:
        CommandError: a setting is missing or wrong.
    """
    try:
        return settings_module.load(**given)
    except SettingsError as error:
        raise CommandError(str(error)) from None


def keys_file(data_dir: Path) -> Path:
    """The key ring's file: the setting, or the one that `dev` keeps."""
    given = os.environ.get("WUTANG_KEYS_FILE")
    return Path(given) if given else data_dir / "keys.json"


def refresh_ttl() -> int:
    """The lifetime of a session in seconds.

    Raises:
        CommandError: the setting is wrong.
    """
    try:
        return settings_module.refresh_ttl()
    except SettingsError as error:
        raise CommandError(str(error)) from None


@contextmanager
def database_url(data_dir: Path) -> Iterator[str]:
    """The URL of the database to work on; the embedded one is started for the time being if it does not run.

    Raises:
        CommandError: there is neither a setting nor a data directory.
    """
    try:
        given = settings_module.database_url()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    if given is not None:
        yield given
        return
    if not data_dir.is_dir():
        raise CommandError(
            f"WUTANG_DATABASE_URL is not set and there is no {data_dir} here; set it, or run `wutang-auth dev` first"
        )
    with embedded(data_dir) as postgres:
        yield postgres.url()


@contextmanager
def embedded(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """The embedded PostgreSQL of a data directory.

    Raises:
        CommandError: it cannot be had.
    """
    postgres = EmbeddedPostgres(data_dir)
    try:
        postgres.start()
    except EmbeddedError as error:
        raise CommandError(str(error)) from None
    try:
        yield postgres
    finally:
        postgres.stop()


def run(data_dir: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run work on the database and turn its refusals into lines for people.

    Raises:
        CommandError: the work was refused, or the database is away.
    """

    async def with_database(url: str) -> T:
        database = Database(url, size=4, connect_timeout=5, statement_timeout=30)
        try:
            return await work(database)
        finally:
            await database.close()

    _follow_log_format()
    with database_url(data_dir) as url:
        try:
            return asyncio.run(with_database(url))
        except AuthError as error:
            raise CommandError(_explained(error)) from error


def _follow_log_format() -> None:
    """Write the audit trail to stderr, where the environment says how the service writes it."""
    form = os.environ.get("WUTANG_LOG_FORMAT")
    if form in ("json", "console"):
        from wutang_auth.observability import logs

        logs.configure(Settings.model_construct(log_format="json" if form == "json" else "console", log_level="info"))


def run_users(data_dir: Path, work: Callable[[UserService], Awaitable[T]]) -> T:
    """Run work on the accounts, likewise."""
    try:
        rules = PasswordRules(min_length=settings_module.password_min_length())
    except SettingsError as error:
        raise CommandError(str(error)) from None

    async def with_service(database: Database) -> T:
        passwords = Passwords(workers=1, queue=1)
        try:
            return await work(
                UserService(
                    users=UserRepository(database),
                    sessions=SessionRepository(database),
                    passwords=passwords,
                    rules=rules,
                )
            )
        finally:
            passwords.close()

    return run(data_dir, with_service)


def _explained(error: AuthError) -> str:
    if isinstance(error, InvalidParameters) and error.errors:
        return "; ".join(
            f"{field.field} {field_problem(field.problem, 'en', limit=field.limit)}" for field in error.errors
        )
    if isinstance(error, EmailTaken):
        return "another user has this e-mail"
    if isinstance(error, NotFound):
        return "there is no such user"
    if isinstance(error, DatabaseUnavailable):
        cause = type(error.__cause__).__name__ if error.__cause__ else str(error)
        if cause in ("UndefinedTableError", "UndefinedColumnError"):
            return "the schema is behind; run `wutang-auth migrate`"
        return f"the database cannot be reached ({cause}); check WUTANG_DATABASE_URL"
    return error.code.english
