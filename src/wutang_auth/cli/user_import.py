"""`wutang-auth users import` and `users export`: all users at once, from and to a file."""

import codecs
import os
import re
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from io import TextIOWrapper
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import IO, Annotated, BinaryIO, Self, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, run, run_users
from wutang_auth.cli.output import document, say, warn
from wutang_auth.cli.user_formats import Format, Reading, UserFile, exported_header, exported_row, open_user_file
from wutang_auth.database import Database
from wutang_auth.repository import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.service import UserService
from wutang_auth.service.user_import import COLUMNS, Imported, ImportService

FileFormat = Annotated[
    Format | None, typer.Option("--format", help="How the file is written; default: as its name ends.")
]

_STANDARD = Path("-")
_ROWS_A_TICK = 500
_FIELDS = {"disabled": {"disabled", "enabled", "disabled_until"}}


def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or a JSON array; - is standard input.")],
    file_format: FileFormat = None,
    *,
    rejects: Annotated[
        Path | None, typer.Option(help="Where wrong rows go; default: FILE.rejects.csv or .jsonl.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="OURS=THEIRS",
            help="What a column of ours is called there; 'disabled=!is_active' where it means the opposite.",
        ),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave this column alone.")] = None,
    encoding: Annotated[str, typer.Option(help="How the file writes characters, such as gb18030.")] = "utf-8",
    timezone: Annotated[
        str, typer.Option(help="That of times without an offset, such as Asia/Shanghai or +08:00.")
    ] = "UTC",
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
        _format(file, file_format),
        columns=_columns(columns or []),
        ignored=frozenset(ignore or []),
        encoding=_encoding(encoding),
        zone=_zone(timezone),
    )
    default = Path(f"{'import' if file == _STANDARD else file}.rejects.{reading.format.value}")
    rejected = _RejectFile(rejects or default)
    if rejected.path.is_dir() or rejected.path.resolve() == file.resolve():
        raise CommandError(f"{rejected.path} is no place for the rejected rows; give --rejects another")
    with _opened(file) as source:
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


def _columns(given: list[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in given:
        ours, _, theirs = pair.partition("=")
        if ours not in COLUMNS or not theirs.removeprefix("!") or (theirs.startswith("!") and ours != "disabled"):
            raise typer.BadParameter(
                f"must be OURS=THEIRS, such as password_hash=pw, with OURS one of {', '.join(COLUMNS)}; "
                "only disabled has an opposite, such as disabled=!is_active",
                param_hint="--column",
            )
        if ours in columns:
            raise typer.BadParameter(f"{ours} is given twice", param_hint="--column")
        columns[ours] = theirs
    return columns


def _encoding(name: str) -> str:
    ascii_bytes = bytes(range(128))
    try:
        actual = codecs.lookup(name).name
        fits = ascii_bytes.decode(actual) == ascii_bytes.decode("ascii") and not actual.startswith(("iso2022", "hz"))
    except (LookupError, UnicodeError):
        fits = False
    if not fits:
        raise CommandError(
            "--encoding must be one that has ASCII as it is, such as gb18030, big5 or cp1252; iconv makes others UTF-8"
        )
    return actual


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    if re.fullmatch("[+-][0-9]{2}:[0-5][0-9]", name) and name[1:3] < "24":
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise CommandError(
            "--timezone: this machine knows no such time zone; give its offset, such as +08:00"
        ) from None


def export_users(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Default: standard output.")] = _STANDARD,
    file_format: FileFormat = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write all users as `import` reads them, with their password hashes: keep it to yourself."""
    actual = file_format or (Format.jsonl if file == _STANDARD else _format(file, None))

    async def work(service: UserService, output: TextIO) -> int:
        output.write(exported_header(actual))
        count = 0
        async for stored in service.export_users():
            output.write(exported_row(stored, actual))
            count += 1
        return count

    if file == _STANDARD:
        run_users(data_dir, lambda service: work(service, sys.stdout))
        return
    if file.exists() and not force:
        raise CommandError(f"{file} exists; --force replaces it")
    with _replacing(file) as output:
        count = run_users(data_dir, lambda service: work(service, output))
    say(f"exported {count:,} users to {file}")


async def _import(database: Database, users: UserFile, source: BinaryIO, rejected: "_RejectFile") -> Imported:
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


class _RejectFile:
    """The rows that an import rejected; there is a file only if there are such."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        self._file.close()
        if error is None:
            Path(self._file.name).replace(self.path)
        else:
            Path(self._file.name).unlink(missing_ok=True)

    def write(self, row: RejectedRow, users: UserFile) -> None:
        """Add a row.

        Raises:
            CommandError: the file cannot be written.
        """
        try:
            if self._file is None:
                self._file = _beside(self.path)
                self._file.write(users.reject_header)
            self._file.write(users.rejected(row))
        except OSError as error:
            raise CommandError(
                f"{self.path} cannot be written: {error.strerror}; give --rejects a place; nothing was imported"
            ) from None


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file == _STANDARD:
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    with source:
        yield source


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """A new file for the user's eyes only, in place of the old one if all goes well."""
    try:
        with _beside(file) as new:
            try:
                with TextIOWrapper(new, "utf-8", newline="") as output:
                    yield output
                Path(new.name).replace(file)
            finally:
                Path(new.name).unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None


def _beside(path: Path) -> IO[bytes]:
    """A new file that will take this path, for nobody else to read."""
    return NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)


def _format(file: Path, given: Format | None) -> Format:
    endings = {
        ".csv": Format.csv, ".tsv": Format.csv, ".jsonl": Format.jsonl, ".ndjson": Format.jsonl, ".json": Format.jsonl,
    }  # fmt: skip
    file_format = given or endings.get(file.suffix.lower())
    if file_format is None:
        raise typer.BadParameter("give csv or jsonl, since the file's name does not tell", param_hint="--format")
    return file_format
