"""`wutang-auth sessions`: who is logged in."""

import typer

from wutang_auth.cli.output import document, say
from wutang_auth.cli.target import DATA_DIR, AsJson, DataDir, run
from wutang_auth.database import Database
from wutang_auth.repository import SessionRepository

app = typer.Typer(help="The sessions.", no_args_is_help=True)

_BATCH = 1000


@app.command()
def prune(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Delete the sessions that are past their lifetime, in small batches."""

    async def work(database: Database) -> int:
        sessions = SessionRepository(database, ttl=0, grace=0)
        total = 0
        while deleted := await sessions.prune(_BATCH):
            total += deleted
        return total

    pruned = run(data_dir, work)
    if as_json:
        document({"pruned": pruned})
    else:
        say(f"pruned {pruned} dead session{'' if pruned == 1 else 's'}")
