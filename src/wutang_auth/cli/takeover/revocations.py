"""`wutang-auth takeover revocations`: bring the blacklist of a running application."""

from typing import TYPE_CHECKING, Annotated

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandSettings, DataDir, database_settings, run_with
from wutang_auth.cli.output import document, say, warn
from wutang_auth.cli.takeover.options import From, PasswordStdin, shown, source_in_one_line, source_password
from wutang_auth.database import Database
from wutang_auth.settings import LegacySettings

if TYPE_CHECKING:
    from wutang_auth.service.takeover import RevocationsTaken


class RevocationSettings(CommandSettings, LegacySettings):
    """What decides how long a token must be known."""


def revocations(
    address: From,
    *,
    password_stdin: PasswordStdin = False,
    table: Annotated[str, typer.Option(help="The table of the cache store, in a database.")] = "cache",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Refuse each token that is on jwt-auth's blacklist, in the cache store that the application uses.

    That is a database, Redis, or a directory such as storage/framework/cache/data. Run it again until the switch, and
    once after it; what is known here stays known.
    """
    from wutang_auth.repository.laravel import open_blacklist
    from wutang_auth.repository.takeover import TakeoverRepository
    from wutang_auth.service.takeover import TakeoverService

    password = source_password(stdin=password_stdin)

    async def work(database: Database) -> "RevocationsTaken":
        entries = shown(open_blacklist(address, password, table), None, "entries")
        service = TakeoverService(TakeoverRepository(database))
        return await service.revocations(entries, refresh_ttl=settings.legacy_refresh_ttl)

    with source_in_one_line(), database_settings(RevocationSettings, data_dir) as settings:
        taken = run_with(settings, work)
    if as_json:
        document(
            {"entries": taken.entries, "revoked": taken.revoked, "added": taken.added, "unreadable": taken.unreadable}
        )
    else:
        say(
            f"added {taken.added:,} of {taken.revoked:,} revoked tokens; {taken.others:,} other entries were left alone"
        )
    if taken.unreadable:
        warn(
            f"{taken.unreadable:,} entries have the key of a token and no value of PHP; they count as revoked, "
            "which refuses nobody else"
        )
