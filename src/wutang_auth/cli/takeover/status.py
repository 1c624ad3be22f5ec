"""`wutang-auth takeover status`: how far it is, and whether the gate for legacy tokens may be shut."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from wutang_auth.cli.context import DATA_DIR, AsJson, DataDir, run
from wutang_auth.cli.output import document, table
from wutang_auth.database import Database
from wutang_auth.fields import format_timestamp

if TYPE_CHECKING:
    from wutang_auth.repository.takeover import Run, TakeoverStatus


def status(*, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Count the users taken over and those not yet, the legacy tokens seen lately, and the sessions adopted."""
    from wutang_auth.repository.takeover import TakeoverRepository
    from wutang_auth.service.takeover import TakeoverService

    async def work(database: Database) -> "TakeoverStatus":
        return await TakeoverService(TakeoverRepository(database)).status()

    found = run(data_dir, work)
    if as_json:
        document(asdict(found) | {"not_taken_over": found.not_taken_over})
        return
    last_seen = "never" if found.last_seen_at is None else f"last {format_timestamp(found.last_seen_at)}"
    table(
        ("what", "number", "more"),
        [
            ("users taken over", found.users, _ran(found.users_run)),
            ("users not yet taken over", found.not_taken_over, "rows that the last run rejected"),
            ("revoked legacy tokens", found.revoked, _ran(found.revocations_run)),
            ("users seen with legacy tokens", found.seen, last_seen),
            ("  within a day", found.seen_last_day, None),
            ("  within a week", found.seen_last_week, "at 0 for longer than a token lives there: shut the gate"),
            ("sessions adopted", found.adopted, None),
            ("  within a day", found.adopted_last_day, None),
        ],
    )


def _ran(run: "Run | None") -> str:
    return "no run yet" if run is None else f"last run {format_timestamp(run.finished_at)}"
