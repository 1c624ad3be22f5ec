"""What a command works on: its settings and a database; and how it fails."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar

import asyncpg
import typer

from wutang_auth import settings as settings_module
from wutang_auth.database import Database
from wutang_auth.database.failures import failure_of
from wutang_auth.embedded import EmbeddedError, EmbeddedPostgres
from wutang_auth.errors import (
    AuthError,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    EmailTaken,
    InvalidParameters,
    MailIsOff,
    NotFound,
    SchemaLocked,
)
from wutang_auth.factory import factor_administration, mail_administration, open_database, open_users
from wutang_auth.messages import field_problem
from wutang_auth.service import UserService
from wutang_auth.settings import DatabaseSettings, LogSettings, MailSettings, PasswordSettings, Settings, SettingsError

if TYPE_CHECKING:
    from wutang_auth.service.by_mail import MailAdministration  # not imported where mail is off
    from wutang_auth.service.factors import FactorAdministration  # nor this by other commands

T = TypeVar("T")

DataDir = Annotated[
    Path, typer.Option("--data-dir", help="The data directory of `dev`; used without WUTANG_DATABASE_URL.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document, for programs.")]

DATA_DIR = Path(".wutang")

# a command takes longer than a request, and nobody waits at the other end
COMMAND_LIMITS = {"db_connect_timeout": 5.0, "db_statement_timeout": 30.0}
_CONNECTIONS = 4
DEV_URL = "http://127.0.0.1:8000"  # of which `dev` itself, which sends the mails, knows better

logger = logging.getLogger(__name__)


def mails_folder(data_dir: Path) -> Path:
    """Where `dev` writes mails instead of sending them."""
    return data_dir.resolve() / "mails"


def mail_defaults(data_dir: Path, base_url: str) -> dict[str, Any]:
    """How `dev` has mail without a mail server, unless there are settings."""
    return {
        "smtp_url": mails_folder(data_dir).as_uri(),
        "mail_from": "wutang-auth <no-reply@wutang.example>",
        "public_url": base_url,
        "registration": "open",
    }


class CommandSettings(DatabaseSettings, LogSettings):
    """What a command that works on the database needs."""


class UserCommandSettings(CommandSettings, PasswordSettings, MailSettings):
    """What a command that works on the accounts needs."""


Group = TypeVar("Group", bound=LogSettings)
DatabaseGroup = TypeVar("DatabaseGroup", bound=CommandSettings)


class CommandError(Exception):
    """A command failed; the message says what happened and what to do next."""


def load(group: type[Group], *, log: bool = False, defaults: Mapping[str, Any] = {}, **given: Any) -> Group:
    """The settings that a command needs; and a warning of each name that is no setting.

    Args:
        group: The class of the settings.
        log: Whether the command writes a log in any case; else it does where WUTANG_LOG_FORMAT is set.
        defaults: Values for settings that are not set, instead of the group's own defaults.
        given: Values that outrank the environment.

    Raises:
        CommandError: a setting is missing or wrong.
    """
    try:
        warnings = settings_module.name_warnings(Settings)
        try:
            settings = settings_module.load(group, defaults=defaults, **given)
            log = log or settings_module.is_set("log_format")
        except SettingsError:
            _warn(warnings)  # one of them may be the reason
            raise
    except SettingsError as error:
        raise CommandError(str(error)) from None
    if log:
        from wutang_auth.observability import logs

        logs.configure(settings)
        for line in warnings:
            logger.warning(line)
    else:
        _warn(warnings)
    return settings


def _warn(lines: list[str]) -> None:
    for line in lines:
        print(f"wutang-auth: warning: {line}", file=sys.stderr)  # noqa: T201


@contextmanager
def database_settings(group: type[DatabaseGroup], data_dir: Path) -> Iterator[DatabaseGroup]:
    """The settings of a command that works on a database; the one of `dev` is started if it is meant and does not run.

    Raises:
        CommandError: a setting is wrong, or there is neither a setting nor a data directory.
    """
    with dev_database(data_dir) as url:
        if url is None:
            yield load(group, defaults=COMMAND_LIMITS)
        else:
            yield load(group, defaults={**COMMAND_LIMITS, **mail_defaults(data_dir, DEV_URL)}, database_url=url)


@contextmanager
def dev_database(data_dir: Path) -> Iterator[str | None]:
    """The URL of the database of `dev`, which is started if it does not run; None where a setting names another one.

    Raises:
        CommandError: there is neither a setting nor a data directory.
    """
    if is_set("database_url"):
        yield None
        return
    if not data_dir.is_dir():
        raise CommandError(
            f"WUTANG_DATABASE_URL is not set and there is no {data_dir} here; set it, or run `wutang-auth dev` first"
        )
    with embedded(data_dir) as postgres:
        yield postgres.url()


def is_set(name: str) -> bool:
    """Whether a setting has a value, in the environment or .env.

    Raises:
        CommandError: .env cannot be read.
    """
    try:
        return settings_module.is_set(name)
    except SettingsError as error:
        raise CommandError(str(error)) from None


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


def open_command_database(settings: DatabaseSettings) -> Database:
    """The database of these settings, with as many connections as a command needs."""
    return open_database(settings, size=_CONNECTIONS)


class MigrationOptions(TypedDict):
    """How migrations connect."""

    connect_timeout: float
    prepare: bool


def migration_options(settings: DatabaseSettings) -> MigrationOptions:
    """How migrations connect; without a time limit for statements, since tables may be large."""
    return MigrationOptions(connect_timeout=settings.db_connect_timeout, prepare=settings.db_prepared_statements)


def run(data_dir: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run work on the database and turn its refusals into lines for people.

    Raises:
        CommandError: the work was refused, or the database is away.
    """
    with database_settings(CommandSettings, data_dir) as settings:
        return run_with(settings, work)


def run_users(data_dir: Path, work: Callable[[UserService], Awaitable[T]]) -> T:
    """Run work on the accounts and turn its refusals into lines for people.

    Raises:
        CommandError: the work was refused, or the database is away.
    """
    with database_settings(UserCommandSettings, data_dir) as settings:
        return run_users_with(settings, work)


def run_users_with(settings: UserCommandSettings, work: Callable[[UserService], Awaitable[T]]) -> T:
    """Run work on the accounts with settings that are there, for commands that ask between one piece and the next.

    Raises:
        CommandError: the work was refused, or the database is away.
    """

    async def with_service(database: Database) -> T:
        mail_language = None if settings.smtp_url is None else settings.language
        async with open_users(
            database, password_min_length=settings.password_min_length, mail_language=mail_language
        ) as users:
            return await work(users)

    return run_with(settings, with_service)


def run_mail_administration(data_dir: Path, work: Callable[[UserService, "MailAdministration"], Awaitable[T]]) -> T:
    """Run work on the accounts that mails somebody something, and turn its refusals into lines for people.

    Raises:
        CommandError: the work was refused, mail is off, or the database is away.
    """

    async def with_services(database: Database) -> T:
        administration = mail_administration(settings, database)
        async with open_users(database, password_min_length=settings.password_min_length) as users:
            return await work(users, administration)

    with database_settings(UserCommandSettings, data_dir) as settings:
        return run_with(settings, with_services)


def run_factor_administration(data_dir: Path, work: Callable[[UserService, "FactorAdministration"], Awaitable[T]]) -> T:
    """Run work on the second factors of accounts and turn its refusals into lines for people.

    Raises:
        CommandError: the work was refused, or the database is away.
    """

    async def with_services(database: Database) -> T:
        mail_language = None if settings.smtp_url is None else settings.language
        administration = factor_administration(database, mail_language=mail_language)
        async with open_users(database, password_min_length=settings.password_min_length) as users:
            return await work(users, administration)

    with database_settings(UserCommandSettings, data_dir) as settings:
        return run_with(settings, with_services)


def confirm(question: str) -> None:
    """Ask at the terminal, and stop unless the answer is yes.

    Raises:
        CommandError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask at; --yes does it without asking")
    typer.confirm(question, abort=True)


def run_with(settings: DatabaseSettings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run work on the database with settings that are there.

    Raises:
        CommandError: the work was refused, or the database is away.
    """

    async def with_database() -> T:
        database = open_command_database(settings)
        try:
            return await work(database)
        finally:
            await database.close()

    with in_one_line():
        return asyncio.run(with_database())


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what the work and the database refuse into lines for people.

    Raises:
        CommandError: something was refused, or the database is away.
    """
    try:
        yield
    except AuthError as error:
        raise CommandError(_explained(error)) from error
    except asyncpg.PostgresError as error:
        raise CommandError(f"the database refuses: {failure_of(error)}") from error


_WORDS: dict[type[AuthError], str] = {
    EmailTaken: "another user has this e-mail",
    MailIsOff: "mail is off; set WUTANG_SMTP_URL",
    NotFound: "there is no such user",
}


def _explained(error: AuthError) -> str:
    if isinstance(error, InvalidParameters) and error.errors:
        return "; ".join(
            f"{field.field} {field_problem(field.problem, 'en', limit=field.limit)}" for field in error.errors
        )
    if isinstance(error, DatabaseMisconfigured):
        return f"the database cannot be used: {error}"
    if isinstance(error, SchemaLocked):
        return str(error)
    if isinstance(error, DatabaseUnavailable):
        return f"the database cannot be reached ({error}); check WUTANG_DATABASE_URL"
    return _WORDS.get(type(error), error.code.english)
