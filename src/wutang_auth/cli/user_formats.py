"""Files of users: read by an import, written by an export, and what an import rejects."""

import csv
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Protocol

from wutang_auth.cli.context import CommandError
from wutang_auth.fields import format_timestamp
from wutang_auth.repository import IncomingUser, RejectedRow, StoredUser
from wutang_auth.service.user_import import COLUMNS, incoming_user
from wutang_auth.tokens import strict_json

_MAX_LINE = 64 * 1024
_MAX_LINES_OF_A_ROW = 100
_TOO_LONG = "longer than 64 KiB"
_NULLS = ("", "\\N")  # empty, and as dumps of MySQL and PostgreSQL write it
_HASH = "password_hash"
_LARAVELS_HASH = "password"
_OWN = {"line", "reason"}  # of a reject file, which may be imported again


class Format(StrEnum):
    """How a file holds its rows."""

    csv = "csv"
    jsonl = "jsonl"


class UserFile(Protocol):
    """A file of users."""

    ignored: set[str]
    """Columns met that no user has."""
    reject_header: bytes
    """How the file of rejected rows begins."""

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""

    def rejected(self, row: RejectedRow) -> bytes:
        """The row as the file of rejected rows has it: with number and reason, and fit to be mended and imported."""


def open_user_file(file: BinaryIO, file_format: Format) -> UserFile:
    """The users in a file.

    Raises:
        CommandError: it lacks a column that each user needs.
    """
    lines = _Lines(file)
    return _CsvFile(lines) if file_format is Format.csv else _JsonLinesFile(lines)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: bytes | None
    """Without the line break; None where it is too long."""


class _Lines:
    """The lines of a file, a bounded part of them in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._put_back: deque[_Line] = deque()

    def take(self) -> _Line | None:
        """The next line; None at the end."""
        if self._put_back:
            return self._put_back.popleft()
        line = self._file.readline(_MAX_LINE)
        if not line:
            return None
        self._number += 1
        if len(line) < _MAX_LINE or line.endswith(b"\n"):
            return _Line(self._number, line.rstrip(b"\r\n"))
        while line and not line.endswith(b"\n"):
            line = self._file.readline(_MAX_LINE)
        return _Line(self._number, None)

    def put_back(self, lines: list[_Line]) -> None:
        """Let these be the next ones."""
        self._put_back.extendleft(reversed(lines))

    def __iter__(self) -> Iterator[_Line]:
        while (line := self.take()) is not None:
            if line.text is None or line.text.strip():
                yield line


class _CsvFile:
    """Comma-separated values with a header (RFC 4180); semicolons and tabs are recognised too."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        first = lines.take()
        header = (first.text if first else None) or b""
        header = header.removeprefix(b"\xef\xbb\xbf")
        self._delimiter = max((b",", b";", b"\t"), key=header.count)
        try:
            names = [name.strip().lower() for name in self._cells(header)]
        except ValueError as error:
            raise CommandError(f"the first line is no CSV header: {error}") from None
        if _HASH not in names:
            names = [_HASH if name == _LARAVELS_HASH else name for name in names]
        for needed in ("email", _HASH):
            if needed not in names:
                raise CommandError(f"the first line, which names the columns, has no {needed}")
        known = [name for name in names if name in COLUMNS]
        if len(set(known)) < len(known):
            raise CommandError("the first line, which names the columns, has one of them twice")
        self._names = names
        self.ignored = set(names) - set(COLUMNS) - _OWN
        self.reject_header = self._delimiter.join((b"line", b"reason", header)) + b"\n"

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""
        for line in self._lines:
            if line.text is None:
                yield IncomingUser(line.number, b"", _TOO_LONG)
            else:
                yield self._row(line, line.text)

    def rejected(self, row: RejectedRow) -> bytes:
        """Number and reason before the row as it was; as one field, where it is no CSV."""
        try:
            self._cells(row.raw)
            was = row.raw
        except ValueError:
            was = _quoted(_readable(row.raw))
        return self._delimiter.join((b"%d" % row.line, _quoted(row.reason), was)) + b"\n"

    def _row(self, first: _Line, raw: bytes) -> IncomingUser:
        try:
            return incoming_user(first.number, raw, self._fields(raw))
        except ValueError as error:
            reason = str(error)
        following = self._rest_of_row(raw)
        whole = b"\n".join([raw, *(line.text or b"" for line in following)])
        try:
            return incoming_user(first.number, whole, self._fields(whole))
        except ValueError:
            # a quote too many or too few is this line's fault alone
            self._lines.put_back(following)
            return IncomingUser(first.number, raw, reason)

    def _rest_of_row(self, raw: bytes) -> list[_Line]:
        """The lines that follow while a quoted field is open."""
        following: list[_Line] = []
        quotes = raw.count(b'"')
        while quotes % 2 and len(following) < _MAX_LINES_OF_A_ROW:
            line = self._lines.take()
            if line is None:
                break
            following.append(line)
            if line.text is None:
                break
            quotes += line.text.count(b'"')
        return following

    def _fields(self, raw: bytes) -> Mapping[str, object]:
        cells = self._cells(raw)
        if len(cells) != len(self._names):
            raise ValueError(f"{len(cells)} fields, not {len(self._names)}")
        return {name: None if cell in _NULLS else cell for name, cell in zip(self._names, cells, strict=True)}

    def _cells(self, raw: bytes) -> list[str]:
        text = _decoded(raw)
        try:
            return next(csv.reader([text], delimiter=self._delimiter.decode(), strict=True), [])
        except csv.Error:
            raise ValueError("not CSV: check the quotes") from None


class _JsonLinesFile:
    """One JSON object on each line."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.ignored: set[str] = set()
        self.reject_header = b""

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""
        for line in self._lines:
            if line.text is None:
                yield IncomingUser(line.number, b"", _TOO_LONG)
                continue
            try:
                yield incoming_user(line.number, line.text, self._fields(line.text))
            except ValueError as error:
                yield IncomingUser(line.number, line.text, str(error))

    def rejected(self, row: RejectedRow) -> bytes:
        """Number and reason among the row's own fields, or beside what it was."""
        try:
            fields = _object(row.raw)
        except ValueError:
            fields = {"row": _readable(row.raw)}
        own = {"line": row.line, "reason": row.reason}
        return json.dumps(own | {name: value for name, value in fields.items() if name not in _OWN}).encode() + b"\n"

    def _fields(self, raw: bytes) -> Mapping[str, object]:
        fields = _object(raw)
        if _HASH not in fields and _LARAVELS_HASH in fields:
            fields[_HASH] = fields.pop(_LARAVELS_HASH)
        if len(self.ignored) < 20:
            self.ignored |= fields.keys() - set(COLUMNS) - _OWN
        return fields


def _object(raw: bytes) -> dict[str, object]:
    try:
        document = strict_json.loads(raw)
    except ValueError:
        raise ValueError("not JSON in UTF-8 with unique names") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- it is the row's value that is wrong
    return document


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _readable(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _quoted(text: str) -> bytes:
    return b'"' + text.replace('"', '""').encode() + b'"'


def exported_header(file_format: Format) -> str:
    """How a file of exported users begins."""
    return _csv_line(COLUMNS) if file_format is Format.csv else ""


def exported_row(stored: StoredUser, file_format: Format) -> str:
    """A user as an import reads it."""
    user = stored.user
    verified_at = None if user.email_verified_at is None else format_timestamp(user.email_verified_at)
    values = (
        user.id, user.email, user.name, verified_at, stored.password_hash, user.scopes, user.disabled_at is not None,
        format_timestamp(user.created_at), format_timestamp(user.updated_at),
    )  # fmt: skip
    if file_format is Format.jsonl:
        return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False) + "\n"
    return _csv_line(_csv_cell(value) for value in values)


def _csv_cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
