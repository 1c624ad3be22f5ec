"""`wutang-auth takeover users`: bring the users of a running application, again and again."""

import warnings
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, run
from wutang_auth.cli.output import document, say
from wutang_auth.cli.reject_file import RejectFile, Rejecting
from wutang_auth.cli.takeover.options import From, PasswordStdin, shown, source_in_one_line, source_password
from wutang_auth.cli.user_formats import Format, Reading, open_user_file
from wutang_auth.cli.user_reading import (
    STANDARD,
    Columns,
    Encoding,
    FileFormat,
    Ignored,
    Timezone,
    columns_of,
    encoding_of,
    format_of,
    opened,
    zone_of,
)
from wutang_auth.database import Database
from wutang_auth.repository import IncomingUser

if TYPE_CHECKING:
    from wutang_auth.repository.takeover import Conflict
    from wutang_auth.service.takeover import TakenOver


def users(
    address: From,
    *,
    password_stdin: PasswordStdin = False,
    table: Annotated[str, typer.Option(help="The table of the users, in a database.")] = "users",
    file_format: FileFormat = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where wrong rows go; default: TABLE.rejects.jsonl, or as in `users import`.")
    ] = None,
    columns: Columns = None,
    ignore: Ignored = None,
    encoding: Encoding = "utf-8",
    timezone: Timezone = "UTC",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Bring the users of a running application, with their ids and password hashes, as often as it takes.

    Each run creates who is new there and brings each field that changed there since the last run, unless it changed
    here too: such conflicts are listed, and what is here stays. Who is deleted there is disabled here; who was deleted
    here stays deleted. A database is only read, in one snapshot. In a file, who has no row is left alone.
    """
    from wutang_auth.repository.laravel import is_url
    from wutang_auth.repository.takeover import TakeoverRepository, TakeoverRunning
    from wutang_auth.service.takeover import TakeoverService

    reading = Reading(
        Format.jsonl if is_url(address) else format_of(Path(address), file_format),
        columns=columns_of(columns or []),
        ignored=frozenset(ignore or []),
        encoding=encoding_of(encoding),
        zone=zone_of(timezone),
        keeps_deleted=True,
    )
    password = source_password(stdin=password_stdin)
    origin = table if is_url(address) else "takeover" if Path(address) == STANDARD else address
    rejected = RejectFile(rejects or Path(f"{origin}.rejects.{reading.format.value}"))
    if rejected.path.is_dir() or rejected.path.resolve() == Path(address).resolve():
        raise CommandError(f"{rejected.path} is no place for the rejected rows; give --rejects another")
    conflicts: list[Conflict] = []

    async def work(database: Database) -> "TakenOver":
        async with _opened(address, password, table, reading) as there:
            return await TakeoverService(TakeoverRepository(database)).users(
                shown(there.rows, there.total, "users"),
                is_whole=there.is_whole,
                reject=lambda row: rejected.write(row, there.origin),
                conflict=conflicts.append,
            )

    with source_in_one_line(), rejected, warnings.catch_warnings():
        # libpass warns of bcrypt salts whose unused bits are set, which verify like any other
        warnings.simplefilter("ignore")
        try:
            taken = run(data_dir, work)
        except TakeoverRunning:
            raise CommandError("another `takeover users` runs on this database; wait for its end") from None
    _tell(taken, conflicts, rejected.path, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _There:
    """The users there, to be read."""

    rows: AsyncIterable[IncomingUser]
    total: int | None
    is_whole: bool
    origin: Rejecting


@asynccontextmanager
async def _opened(address: str, password: str | None, table: str, reading: Reading) -> AsyncIterator[_There]:
    from wutang_auth.cli.takeover.source_users import SourceUsers
    from wutang_auth.repository.laravel import is_url, open_database

    if not is_url(address):
        with opened(Path(address)) as file:
            content = open_user_file(file, reading)
            yield _There(_one_by_one(content.rows()), None, is_whole=False, origin=content)
        return
    async with open_database(address, password) as source:
        users = SourceUsers(source, table, await source.columns(table), reading)
        yield _There(users.rows(), await source.count(table), is_whole=True, origin=users)


async def _one_by_one(rows: Iterable[IncomingUser]) -> AsyncIterator[IncomingUser]:
    for row in rows:
        yield row


def _tell(taken: "TakenOver", conflicts: "list[Conflict]", rejects: Path, *, as_json: bool) -> None:
    if as_json:
        document(
            {
                "rows": taken.rows,
                **asdict(taken.merged),
                "unchanged": taken.unchanged,
                "rejected": taken.rejected,
                "rejects": str(rejects) if taken.rejected else None,
                "conflicts": [asdict(conflict) for conflict in conflicts],
            }
        )
    if taken.rows == taken.rejected:
        found = f"all {taken.rows:,} rows were rejected, see {rejects}" if taken.rows else "there are no users there"
        raise CommandError(f"{found}; nothing was changed")
    if as_json:
        return
    merged = taken.merged
    say(
        f"created {merged.created:,} of {taken.rows:,} users and changed {merged.changed:,}, "
        f"{taken.unchanged:,} were as they are there; disabled {merged.disabled:,}; "
        f"left out {merged.deleted:,} deleted there and {merged.deleted_here:,} deleted here; "
        f"{taken.rejected:,} rejected" + (f", see {rejects}" if taken.rejected else "")
    )
    for conflict in conflicts:
        say(f"conflict: user {conflict.user_id}: {', '.join(conflict.fields)} changed there too, and stays as here")
