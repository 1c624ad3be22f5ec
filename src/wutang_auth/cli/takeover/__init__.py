"""`wutang-auth takeover`: users, revoked tokens and live sessions of a running Laravel application."""

import typer

from wutang_auth.cli.takeover.check import check
from wutang_auth.cli.takeover.revocations import revocations
from wutang_auth.cli.takeover.status import status
from wutang_auth.cli.takeover.users import users

app = typer.Typer(no_args_is_help=True, help="Take over from a running Laravel application with tymon/jwt-auth.")
app.command("users")(users)
app.command("revocations")(revocations)
app.command("check")(check)
app.command("status")(status)
