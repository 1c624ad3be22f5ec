"""`wutang-auth sessions`: who is logged in."""

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, DataDir, run, run_users
from wutang_auth.cli.output import document, documents, say, session_document, table
from wutang_auth.cli.users import Email, parsed_email
from wutang_auth.database import Database
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


@app.command()
def revoke(email: Email, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """End every session of a user; it may log in again."""
    address = parsed_email(email)

    async def work(service: UserService) -> tuple[int, str]:
        user = await service.find_user(address)
        return await service.revoke_sessions(user.id), user.email

    ended, whose = run_users(data_dir, work)
    if as_json:
        document({"ended": ended})
    else:
        say(f"ended {ended} session{'' if ended == 1 else 's'} of {whose}")


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
