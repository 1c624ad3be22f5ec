"""The file of the rows that were rejected."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import IO, Protocol, Self

from wutang_auth.cli.context import CommandError
from wutang_auth.repository import RejectedRow


class Rejecting(Protocol):
    """Whatever rows come from: how rejected ones are written."""

    @property
    def reject_header(self) -> bytes:
        """How the file begins."""

    def rejected(self, row: RejectedRow) -> bytes:
        """The row with number and reason, fit to be mended and imported."""


class RejectFile:
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

    def write(self, row: RejectedRow, users: Rejecting) -> None:
        """Add a row.

        Raises:
            CommandError: the file cannot be written.
        """
        try:
            if self._file is None:
                self._file = beside(self.path)
                self._file.write(users.reject_header)
            self._file.write(users.rejected(row))
        except OSError as error:
            raise CommandError(
                f"{self.path} cannot be written: {error.strerror}; give --rejects a place; nothing was imported"
            ) from None


def beside(path: Path) -> IO[bytes]:
    """A new file that will take this path, for nobody else to read."""
    return NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)
