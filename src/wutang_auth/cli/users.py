"""`wutang-auth users`: the accounts."""

import sys
from typing import Annotated

import typer

from wutang_auth.cli.output import document, say, table, user_document
from wutang_auth.cli.target import DATA_DIR, AsJson, CommandError, DataDir, run
from wutang_auth.database import Database
from wutang_auth.emails import parse_email
from wutang_auth.passwords import Passwords
from wutang_auth.repository import UserRecord, UserRepository

app = typer.Typer(help="The accounts.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="In any spelling.", show_default=False)]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]

_PAGE = 500


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="What the user is called.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="A scope to give; may be repeated.")] = None,
    *,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add a user; asks for the password."""
    address = _parsed(email)
    password = read_password(stdin=password_stdin)

    async def work(database: Database) -> UserRecord:
        passwords = Passwords(workers=1, queue=1)
        return await UserRepository(database).create(
            email=address, name=name, password_hash=await passwords.hash(password), scopes=sorted(set(scope or ()))
        )

    user = run(data_dir, work)
    if as_json:
        document(user_document(user))
    else:
        say(f"created user {user.id}, {user.email}")


@app.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the users."""

    async def work(database: Database) -> list[UserRecord]:
        users: list[UserRecord] = []
        repository = UserRepository(database)
        while page := await repository.list(after=users[-1].id if users else 0, limit=_PAGE):
            users += page
        return users

    users = run(data_dir, work)
    if as_json:
        document([user_document(user) for user in users])
    else:
        _show(users)


@app.command()
def show(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show one user."""
    address = _parsed(email)
    user = run(data_dir, lambda database: UserRepository(database).find(address))
    if as_json:
        document(user_document(user))
    else:
        _show([user])


def read_password(*, stdin: bool) -> str:
    """A password from standard input, or typed twice without echo.

    Raises:
        CommandError: there is no terminal to ask at.
    """
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask for the password at; give it by --password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _parsed(email: str) -> str:
    try:
        return parse_email(email)
    except ValueError:
        raise CommandError("EMAIL must be an e-mail address") from None


def _show(users: list[UserRecord]) -> None:
    table(
        ("id", "email", "name", "scopes", "disabled", "created"),
        [(u.id, u.email, u.name, u.scopes, u.disabled_at is not None, u.created_at) for u in users],
    )
