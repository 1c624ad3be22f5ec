"""`wutang-auth users import` and `users export`: all users at once, from and to a file."""

import os
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import IO, Annotated, BinaryIO, Self, TextIO

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, run, run_users
from wutang_auth.cli.output import document, say
from wutang_auth.cli.user_formats import Format, UserFile, exported_header, exported_row, open_user_file
from wutang_auth.database import Database
from wutang_auth.repository import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.service import UserService
from wutang_auth.service.user_import import Imported, ImportService

FileFormat = Annotated[
    Format | None, typer.Option("--format", help="How the file is written; default: as its name ends.")
]

_STANDARD = Path("-")
_ROWS_A_TICK = 500


def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON lines; - is standard input.")],
    file_format: FileFormat = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where wrong rows go; default: FILE.rejects.csv or .jsonl.")
    ] = None,
    *,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take over the users of another system, with their ids and password hashes.

    Columns: email and password_hash (or password, where that holds hashes); and where there are such, id, name,
    email_verified_at, scopes, disabled, created_at, updated_at. A row whose user is there already changes nothing.
    Wrong rows go to the reject file, with line number and reason; mend them there and import that.
    """
    actual = _format(file, file_format)
    rejected = _RejectFile(rejects or Path(f"{'import' if file == _STANDARD else file}.rejects.{actual.value}"))
    if rejected.path.is_dir() or rejected.path.resolve() == file.resolve():
        raise CommandError(f"{rejected.path} is no place for the rejected rows; give --rejects another")
    with _opened(file) as source:
        users = open_user_file(source, actual)
        with rejected:
            imported = run(data_dir, lambda database: _import(database, users, source, rejected))
    counts = {
        "rows": imported.rows,
        "created": imported.created,
        "unchanged": imported.unchanged,
        "rejected": imported.rejected,
    }
    ignored = sorted(users.ignored)
    if as_json:
        path = str(rejected.path) if imported.rejected else None
        document({**counts, "rejects": path, "ignored_columns": ignored})
        return
    line = "created {created:,} of {rows:,} users; {unchanged:,} were there, {rejected:,} rejected".format(**counts)
    say(f"{line}, see {rejected.path}" if imported.rejected else line)
    if ignored:
        say(f"ignored the columns {', '.join(ignored)}")


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
    endings = {".csv": Format.csv, ".jsonl": Format.jsonl, ".ndjson": Format.jsonl}
    file_format = given or endings.get(file.suffix.lower())
    if file_format is None:
        raise typer.BadParameter("give csv or jsonl, since the file's name does not tell", param_hint="--format")
    return file_format
