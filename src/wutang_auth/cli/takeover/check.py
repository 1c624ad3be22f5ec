"""`wutang-auth takeover check`: whether a legacy token counts, and why not."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from wutang_auth.cli.context import (
    DATA_DIR,
    AsJson,
    CommandError,
    CommandSettings,
    DataDir,
    database_settings,
    run_with,
)
from wutang_auth.cli.output import document, say
from wutang_auth.database import Database
from wutang_auth.fields import format_timestamp
from wutang_auth.settings import LegacySettings, TokenSettings

if TYPE_CHECKING:
    from wutang_auth.service.takeover_check import CheckedToken
    from wutang_auth.tokens.legacy import LegacyGate


class CheckSettings(CommandSettings, LegacySettings, TokenSettings):
    """What decides on a legacy token."""


def check(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="- reads it from standard input.", show_default=False)],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Say what a token of the Laravel application is good for here, and why not; nothing is changed."""
    from wutang_auth.repository.legacy import LegacyRepository
    from wutang_auth.service.takeover_check import TokenCheckService

    text = sys.stdin.readline().strip() if token == "-" else token.strip()  # noqa: S105 -- it is no password
    with database_settings(CheckSettings, data_dir) as settings:
        gate = _gate(settings)

        async def work(database: Database) -> "CheckedToken":
            return await TokenCheckService(gate, LegacyRepository(database)).check(text)

        checked = run_with(settings, work)
    if as_json:
        document(_plain(checked))
    if checked.reason is not None:
        raise CommandError(f"the token counts for nothing: {checked.reason}")
    if not as_json and checked.claims is not None:
        say(f"user {checked.claims.user_id}, logged in at {format_timestamp(checked.claims.issued_at)}")
        for purpose, reason in (("me, verify", checked.me), ("refresh", checked.refresh), ("logout", checked.logout)):
            say(f"{purpose}: yes" if reason is None else f"{purpose}: no, {reason}")


def _gate(settings: CheckSettings) -> "LegacyGate":
    from wutang_auth.tokens.legacy import LegacyGate

    if settings.legacy_secret is None or settings.legacy_until is None:
        raise CommandError("WUTANG_LEGACY_SECRET is not set: no legacy token counts")
    if settings.legacy_until <= datetime.now(UTC):
        until = format_timestamp(settings.legacy_until)
        raise CommandError(f"WUTANG_LEGACY_UNTIL was {until}: no legacy token counts any more")
    return LegacyGate(settings, clock_skew=settings.clock_skew)


def _plain(checked: "CheckedToken") -> dict[str, object]:
    claims = checked.claims
    purposes = {"me": checked.me, "refresh": checked.refresh, "logout": checked.logout}
    return {
        "user_id": claims and claims.user_id,
        "issued_at": claims and claims.issued_at,
        "expires_at": claims and claims.expires_at,
        "refreshable_until": claims and claims.refreshable_until,
        "session_id": claims and claims.session_id,
        **{purpose: reason is None for purpose, reason in purposes.items()},
        "why_not": {purpose: reason for purpose, reason in purposes.items() if reason is not None},
    }
