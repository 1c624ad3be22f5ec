"""The command line."""

import os
import sys
from pathlib import Path

import typer

from wutang_auth.cli import dev, doctor, keys, mails, migrate, openapi, serve, sessions, takeover, users
from wutang_auth.cli.context import CommandError
from wutang_auth.errors import in_words
from wutang_auth.observability.logs import places

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
app.command("doctor")(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.add_typer(sessions.app, name="sessions")
app.add_typer(takeover.app, name="takeover")
app.add_typer(mails.app, name="mails")


def main() -> None:
    """The console script: an error is one line on stderr and exit code 1."""
    _leave_foreign_home()
    try:
        app()
    except CommandError as error:
        print(f"wutang-auth: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 -- what nobody foresaw is one line too
        print(f"wutang-auth: a bug: {in_words(error)} at {places(error.__traceback__)}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _leave_foreign_home() -> None:
    """Where HOME is somebody else's, as in a container with another uid, look for no files there; nor does libpq."""
    try:
        (Path.home() / ".postgresql").stat()
    except PermissionError:
        os.environ["HOME"] = "/nonexistent"  # that of Debian's users who have none
    except (OSError, RuntimeError):
        pass  # nothing is there
