"""`wutang-auth users import` and `users export`: all users at once, from and to a file."""

import os
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, Self, TextIO

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, run, run_users
from wutang_auth.cli.exported_users import exported_header, exported_row
from wutang_auth.cli.output import document, say, warn
from wutang_auth.cli.reject_file import RejectFile, beside
from wutang_auth.cli.user_formats import Format, Reading, UserFile, open_user_file
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
from wutang_auth.repository import ImportRepository, IncomingUser
from wutang_auth.service import UserService
from wutang_auth.service.user_import import Imported, ImportService

_ROWS_A_TICK = 500
_FIELDS = {"disabled": {"disabled", "enabled", "disabled_until"}}


def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or a JSON array; - is standard input.")],
    file_format: FileFormat = None,
    *,
    rejects: Annotated[
        Path | None, typer.Option(help="Where wrong rows go; default: FILE.rejects.csv or .jsonl.")
    ] = None,
    columns: Columns = None,
    ignore: Ignored = None,
    encoding: Encoding = "utf-8",
    timezone: Timezone = "UTC",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take over the users of another system, with their ids and password hashes.

    Columns: email and password_hash (or password or encrypted_password, where those hold hashes); and where there are
    such, id, name, email_verified_at, scopes, disabled, created_at, updated_at. A row whose user is there already
    changes nothing; one with a deleted_at is skipped. Wrong rows go to the reject file, with line number and reason;
    mend them there and import that with the same options.
    """
    reading = Reading(
        format_of(file, file_format),
        columns=columns_of(columns or []),
        ignored=frozenset(ignore or []),
        encoding=encoding_of(encoding),
        zone=zone_of(timezone),
    )
    default = Path(f"{'import' if file == STANDARD else file}.rejects.{reading.format.value}")
    rejected = RejectFile(rejects or default)
    if rejected.path.is_dir() or rejected.path.resolve() == file.resolve():
        raise CommandError(f"{rejected.path} is no place for the rejected rows; give --rejects another")
    with opened(file) as source:
        users = open_user_file(source, reading)
        with rejected:
            imported = run(data_dir, lambda database: _import(database, users, source, rejected))
    _tell(imported, users, rejected.path, as_json=as_json)
    unmet = [theirs for ours, theirs in reading.columns.items() if not users.used & _FIELDS.get(ours, {ours})]
    if unmet and imported.rows:
        warn(f"no row has the column {unmet[0]}")


def _tell(imported: Imported, users: UserFile, rejects: Path, *, as_json: bool) -> None:
    counts = {
        "rows": imported.rows + users.deleted,
        "created": imported.created,
        "unchanged": imported.unchanged,
        "deleted": users.deleted,
        "rejected": imported.rejected,
    }
    ignored = sorted(users.ignored)
    all_rejected = imported.rejected > 0 and imported.rejected == imported.rows
    if as_json:
        document({**counts, "rejects": str(rejects) if imported.rejected else None, "ignored_columns": ignored})
    if all_rejected:
        raise CommandError(f"all {imported.rows:,} rows were rejected, see {rejects}; nothing was imported")
    if as_json:
        return
    line = "created {created:,} of {rows:,} users; {unchanged:,} were there, ".format(**counts)
    line += (f"{users.deleted:,} deleted and skipped, " if users.deleted else "") + f"{imported.rejected:,} rejected"
    say(f"{line}, see {rejects}" if imported.rejected else line)
    if ignored:
        say(f"ignored the columns {', '.join(ignored)}")


def export_users(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Default: standard output.")] = STANDARD,
    file_format: FileFormat = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write all users as `import` reads them, with their password hashes: keep it to yourself."""
    actual = file_format or (Format.jsonl if file == STANDARD else format_of(file, None))

    async def work(service: UserService, output: TextIO) -> int:
        output.write(exported_header(actual))
        count = 0
        async for stored in service.export_users():
            output.write(exported_row(stored, actual))
            count += 1
        return count

    if file == STANDARD:
        run_users(data_dir, lambda service: work(service, sys.stdout))
        return
    if file.exists() and not force:
        raise CommandError(f"{file} exists; --force replaces it")
    with _replacing(file) as output:
        count = run_users(data_dir, lambda service: work(service, output))
    say(f"exported {count:,} users to {file}")


async def _import(database: Database, users: UserFile, source: BinaryIO, rejected: RejectFile) -> Imported:
    with _Progress(source) as progress, warnings.catch_warnings():
        # libpass warns of bcrypt salts whose unused bits are set, which verify like any other
        warnings.simplefilter("ignore")

        async def rows() -> AsyncIterator[IncomingUser]:
            for number, row in enumerate(users.rows()):
                if number % _ROWS_A_TICK == 0:
                    progress.tick()
                yield row

        return await ImportService(ImportRepository(database)).import_users(
            rows(), read=progress.all_read, reject=lambda row: rejected.write(row, users)
        )


class _Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, source: BinaryIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

        self._source = source
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
        )  # fmt: skip
        self._task = self._bar.add_task("reading", total=_size(source))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tick(self) -> None:
        """Show how far the reading is."""
        if self._source.seekable():
            self._bar.update(self._task, completed=self._source.tell())

    def all_read(self) -> None:
        """From here on the database works."""
        self.tick()
        self._bar.update(self._task, description="merging")


def _size(source: BinaryIO) -> int | None:
    if not source.seekable():
        return None
    here = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(here)
    return size


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """A new file for the user's eyes only, in place of the old one if all goes well."""
    try:
        with beside(file) as new:
            try:
                with TextIOWrapper(new, "utf-8", newline="") as output:
                    yield output
                Path(new.name).replace(file)
            finally:
                Path(new.name).unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
