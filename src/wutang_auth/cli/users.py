"""`wutang-auth users`: the accounts."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wutang_auth.api.schemas.users import user_body
from wutang_auth.cli import user_import
from wutang_auth.cli.context import (
    DATA_DIR,
    AsJson,
    CommandError,
    DataDir,
    UserCommandSettings,
    confirm,
    database_settings,
    run_factor_administration,
    run_mail_administration,
    run_users,
    run_users_with,
)
from wutang_auth.cli.output import document, documents, say, table
from wutang_auth.fields import MAX_USER_ID, parse_email, parse_name, parse_scopes
from wutang_auth.repository import FactorRecord, UserChange, UserRecord
from wutang_auth.service import NewUser, UserService

if TYPE_CHECKING:
    from wutang_auth.service.by_mail import MailAdministration  # not imported where mail is off
    from wutang_auth.service.factors import FactorAdministration  # nor this by other commands

app = typer.Typer(help="The accounts.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="In any spelling.", show_default=False)]
UserId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=MAX_USER_ID, help="As `users list` shows it.", show_default=False)
]
NewEmail = Annotated[str, typer.Argument(metavar="EMAIL", help="The new address.", show_default=False)]
ScopeNames = Annotated[list[str], typer.Argument(metavar="SCOPE...", help="Such as orders:read.", show_default=False)]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_PAGE = 500


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="The user's name.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="A scope to give; may be repeated.")] = None,
    *,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add a user; asks for the password."""
    address, parsed_name, scopes = parsed_email(email), _parsed_name(name), _parsed_scopes(scope or [])
    password = read_password(stdin=password_stdin)
    new = NewUser(email=address, password=password, name=parsed_name, scopes=scopes)
    user = run_users(data_dir, lambda service: service.create_user(None, new))
    _tell(user, "created", as_json=as_json)


@app.command()
def invite(
    email: Email,
    name: Annotated[str, typer.Option(help="The user's name.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="A scope to give; may be repeated.")] = None,
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add a user, who chooses the password by the link of a mail."""
    address, parsed_name, scopes = parsed_email(email), _parsed_name(name), _parsed_scopes(scope or [])
    new = NewUser(email=address, password=None, name=parsed_name, scopes=scopes)
    user = run_users(data_dir, lambda service: service.create_user(None, new))
    _tell(user, "invited", as_json=as_json)


@app.command("send-reset")
def send_reset(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Mail a user the link to a new password; until then the old one works."""
    address = parsed_email(email)

    async def work(service: UserService, administration: "MailAdministration") -> UserRecord:
        user = await service.find_user(address)
        await administration.send_reset(None, user.id)
        return user

    _tell(run_mail_administration(data_dir, work), "mails the link to a new password to", as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the users."""

    async def work(service: UserService) -> list[UserRecord]:
        page = await service.list_users(limit=_PAGE)
        users = page.users
        while page.next is not None:
            page = await service.list_users(after=page.next, limit=_PAGE)
            users += page.users
        return users

    users = run_users(data_dir, work)
    if as_json:
        documents(map(user_body, users))
    else:
        _show(users)


@app.command()
def show(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show one user."""
    address = parsed_email(email)
    user = run_users(data_dir, lambda service: service.find_user(address))
    if as_json:
        document(user_body(user))
    else:
        _show([user])


@app.command("set-password")
def set_password(
    email: Email, *, password_stdin: PasswordStdin = False, as_json: AsJson = False, data_dir: DataDir = DATA_DIR
) -> None:
    """Set a user's password and end its sessions; asks for the password."""
    address = parsed_email(email)
    password = read_password(stdin=password_stdin)

    async def work(service: UserService, user: UserRecord) -> UserRecord:
        return await service.update_user(None, user.id, UserChange(), password=password)

    _tell(_changed(data_dir, address, work), "set the password of", as_json=as_json)


@app.command("change-email")
def change_email(user_id: UserId, email: NewEmail, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Give a user another address, which is not verified; works before `migrate` too."""
    address = parsed_email(email)
    _tell(
        run_users(data_dir, lambda service: service.change_email(user_id, address)),
        "changed the address of",
        as_json=as_json,
    )


@app.command()
def enable(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Let a disabled user log in again."""

    async def work(service: UserService, user: UserRecord) -> UserRecord:
        return await service.update_user(None, user.id, UserChange(disabled=False))

    _tell(_changed(data_dir, parsed_email(email), work), "enabled", as_json=as_json)


@app.command()
def disable(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Let a user log in no more and end its sessions."""

    async def work(service: UserService, user: UserRecord) -> UserRecord:
        return await service.update_user(None, user.id, UserChange(disabled=True))

    _tell(_changed(data_dir, parsed_email(email), work), "disabled", as_json=as_json)


@app.command()
def grant(email: Email, scopes: ScopeNames, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Give a user scopes."""
    given = _parsed_scopes(scopes)

    async def work(service: UserService, user: UserRecord) -> UserRecord:
        _parsed_scopes([*user.scopes, *given])
        return await service.change_scopes(user.id, given=given)

    _tell(_changed(data_dir, parsed_email(email), work), f"granted {' '.join(given)} to", as_json=as_json)


@app.command()
def revoke(email: Email, scopes: ScopeNames, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Take scopes from a user, from its next request on."""

    async def work(service: UserService, user: UserRecord) -> UserRecord:
        return await service.change_scopes(user.id, taken=scopes)

    # not parsed: whatever a user has can be taken
    _tell(_changed(data_dir, parsed_email(email), work), f"revoked {' '.join(scopes)} from", as_json=as_json)


@app.command()
def delete(email: Email, *, yes: Yes = False, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Delete a user and its sessions, for ever."""
    address = parsed_email(email)
    with database_settings(UserCommandSettings, data_dir) as settings:
        user = run_users_with(settings, lambda service: service.find_user(address))
        if not yes:
            confirm(f"Delete user {user.id}, {user.email}, for ever?")
        run_users_with(settings, lambda service: service.delete_user(None, user.id))
    _tell(user, "deleted", as_json=as_json)


@app.command()
def factors(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the second factors of a user."""
    address = parsed_email(email)

    async def work(service: UserService, administration: "FactorAdministration") -> FactorRecord:
        return await administration.factors_of((await service.find_user(address)).id)

    found = run_factor_administration(data_dir, work)
    if as_json:
        document({"totp": found.confirmed_at, "recovery_codes": found.recovery_codes})
    else:
        table(("app added", "recovery codes"), [(found.confirmed_at, found.recovery_codes)])


@app.command("reset-factors")
def reset_factors(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Take every second factor from a user and end its sessions; the password alone lets it in then."""
    address = parsed_email(email)

    async def work(service: UserService, administration: "FactorAdministration") -> UserRecord:
        user = await service.find_user(address)
        await administration.reset_factors(None, user.id)
        return user

    _tell(run_factor_administration(data_dir, work), "took the second factors from", as_json=as_json)


app.command("import")(user_import.import_users)
app.command("export")(user_import.export_users)


def read_password(*, stdin: bool) -> str:
    """A password from standard input, or typed twice without echo.

    Raises:
        CommandError: there is no terminal to ask at, or it is no text.
    """
    if stdin:
        try:
            return sys.stdin.buffer.readline().rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            raise CommandError("the password must be UTF-8") from None
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask for the password at; give it by --password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _changed(
    data_dir: Path, address: str, work: Callable[[UserService, UserRecord], Awaitable[UserRecord]]
) -> UserRecord:
    async def found(service: UserService) -> UserRecord:
        return await work(service, await service.find_user(address))

    return run_users(data_dir, found)


def parsed_email(email: str) -> str:
    """The address.

    Raises:
        CommandError: it is none.
    """
    try:
        return parse_email(email)
    except ValueError:
        raise CommandError("EMAIL must be an e-mail address") from None


def _parsed_name(name: str) -> str:
    try:
        return parse_name(name)
    except ValueError:
        raise CommandError("--name must be one line of at most 255 characters") from None


def _parsed_scopes(scopes: list[str]) -> list[str]:
    try:
        return parse_scopes(scopes)
    except ValueError:
        raise CommandError(
            "a scope begins with a lower-case letter and has at most 64 of a-z 0-9 _ . : -; "
            "a user has at most 32 of them, 1024 characters in all"
        ) from None


def _tell(user: UserRecord, what: str, *, as_json: bool) -> None:
    if as_json:
        document(user_body(user))
    else:
        say(f"{what} user {user.id}, {user.email}")


def _show(users: list[UserRecord]) -> None:
    table(
        ("id", "email", "name", "verified", "scopes", "disabled", "created"),
        (
            (u.id, u.email, u.name, u.email_verified_at, u.scopes, u.disabled_at is not None, u.created_at)
            for u in users
        ),
    )
