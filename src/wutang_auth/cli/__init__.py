"""The command line."""

import sys

import typer

from wutang_auth.cli import dev, keys, migrate, openapi, serve, sessions, users
from wutang_auth.cli.context import CommandError

app = typer.Typer(
    name="wutang-auth",
    help="JWT authentication service on FastAPI and PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("dev")(dev.dev)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("openapi")(openapi.openapi)
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.add_typer(sessions.app, name="sessions")


def main() -> None:
    """The console script: an error is one line on stderr and exit code 1."""
    try:
        app()
    except CommandError as error:
        print(f"wutang-auth: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
