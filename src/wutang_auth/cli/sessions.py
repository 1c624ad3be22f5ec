"""`wutang-auth sessions`: who is logged in."""

from datetime import datetime
from typing import Annotated

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, DataDir, run, run_users
from wutang_auth.cli.output import document, documents, say, session_document, table
from wutang_auth.cli.users import Email, parsed_email
from wutang_auth.database import Database
from wutang_auth.fields import format_timestamp, parse_timestamp
from wutang_auth.repository import SessionRecord, SessionRepository
from wutang_auth.service import UserService

app = typer.Typer(help="The sessions.", no_args_is_help=True)

_BATCH = 1000


@app.command("list")
def list_(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List a user's live sessions, newest first."""
    address = parsed_email(email)

    async def work(service: UserService) -> list[SessionRecord]:
        return await service.sessions_of((await service.find_user(address)).id)

    sessions = run_users(data_dir, work)
    if as_json:
        documents(map(session_document, sessions))
        return
    table(
        ("id", "began", "refreshed", "expires", "address", "program"),
        [(s.id, s.created_at, s.rotated_at, s.expires_at, s.ip, s.user_agent) for s in sessions],
    )


def _time(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise typer.BadParameter("not a time in RFC 3339, such as 2026-11-23T08:00:00Z") from None


@app.command()
def revoke(
    email: Annotated[str | None, typer.Argument(metavar="[EMAIL]", help="In any spelling.", show_default=False)] = None,
    *,
    everyone: Annotated[bool, typer.Option("--all", help="The sessions of all users.")] = False,
    began_before: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=_time, help="With --all: only those that began before this time."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """End every session of a user, or of all; they may log in again."""
    if (email is None) is not everyone or (began_before is not None and not everyone):
        raise typer.BadParameter("give an EMAIL or --all, and --began-before only with --all")
    address = None if email is None else parsed_email(email)

    async def work(service: UserService) -> tuple[int, str]:
        if address is None:
            return await service.revoke_all_sessions(began_before=began_before), "all users"
        user = await service.find_user(address)
        return await service.revoke_sessions(user.id), user.email

    ended, whose = run_users(data_dir, work)
    if as_json:
        document({"ended": ended})
    else:
        when = "" if began_before is None else f" that began before {format_timestamp(began_before)}"
        say(f"ended {ended} session{'' if ended == 1 else 's'} of {whose}{when}")


@app.command()
def prune(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Delete the sessions that are past their lifetime, in small batches."""

    async def work(database: Database) -> int:
        sessions = SessionRepository(database)
        total = 0
        while deleted := await sessions.prune(_BATCH):
            total += deleted
        return total

    pruned = run(data_dir, work)
    if as_json:
        document({"pruned": pruned})
    else:
        say(f"pruned {pruned} dead session{'' if pruned == 1 else 's'}")
