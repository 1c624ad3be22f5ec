"""Files of users, as an import reads them, and as it writes down what it rejects."""

import codecs
import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import BinaryIO, Protocol

from wutang_auth.cli.context import CommandError
from wutang_auth.cli.user_columns import HASH_LIKE, Layout, RowError, layout
from wutang_auth.repository import IncomingUser, RejectedRow
from wutang_auth.service.user_import import deleted_user, incoming_user, means_deleted
from wutang_auth.tokens import strict_json

_MAX_LINE = 64 * 1024
_MAX_LINES_OF_A_ROW = 100
_TOO_LONG = "longer than 64 KiB"
_OWN = ("line", "reason")  # columns of a reject file, which may be imported again


class Format(StrEnum):
    """How a file holds its rows."""

    csv = "csv"
    jsonl = "jsonl"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read."""

    format: Format
    columns: Mapping[str, str] = field(default_factory=dict)
    """For a column of ours the name that it has there, with `!` before it where it means the opposite."""
    ignored: frozenset[str] = frozenset()
    """Columns to leave alone."""
    encoding: str = "utf-8"
    """One that writes ASCII as ASCII."""
    zone: tzinfo = UTC
    """That of times without an offset."""
    keeps_deleted: bool = False
    """Whether rows of users who are deleted there are read too."""


class UserFile(Protocol):
    """A file of users."""

    ignored: set[str]
    """Columns met that are not taken."""
    used: set[str]
    """Columns of ours that were met."""
    deleted: int
    """How many rows were left out, as deleted there."""
    reject_header: bytes
    """How the file of rejected rows begins."""

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""

    def rejected(self, row: RejectedRow) -> bytes:
        """The row as the file of rejected rows has it: with number and reason, and fit to be mended and imported."""


def open_user_file(file: BinaryIO, reading: Reading) -> UserFile:
    """The users in a file.

    Raises:
        CommandError: it lacks a column that each user needs, or has one that looks like a ban and that no option names.
    """
    first = file.readline(_MAX_LINE)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CommandError("the file is UTF-16: save it as UTF-8, or make it that by iconv -f UTF-16 -t UTF-8")
    first = first.removeprefix(b"\xef\xbb\xbf")
    if reading.format is Format.csv:
        return _CsvFile(_Lines(file, first), reading)
    skipped = 0
    while first.isspace():
        skipped += 1
        first = file.readline(_MAX_LINE)
    if first.lstrip().startswith(b"["):
        return _JsonFile(_elements(file, first, reading.encoding, skipped), reading)
    return _JsonFile(_Lines(file, first, skipped), reading)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: bytes | None
    """Without the line break; None where it is too long."""


class _Lines:
    """The lines of a file, a bounded part of them in memory."""

    def __init__(self, file: BinaryIO, first: bytes, skipped: int = 0) -> None:
        self._file = file
        self._first = first
        self._number = skipped
        self._put_back: deque[_Line] = deque()

    def take(self) -> _Line | None:
        """The next line; None at the end."""
        if self._put_back:
            return self._put_back.popleft()
        line, self._first = self._first or self._file.readline(_MAX_LINE), b""
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


def _elements(file: BinaryIO, first: bytes, encoding: str, skipped: int) -> Iterator[_Line]:
    """The elements of a JSON array, each on one line; a bounded part of them in memory.

    No two have one number: it is that of the line where the element begins, or the next one that is free.

    Raises:
        CommandError: it is no array. There is no telling where the next element would begin.
    """
    decoder, scanner = codecs.getincrementaldecoder(encoding)(), json.JSONDecoder()
    buffer, number = decoder.decode(first), skipped + 1
    place, given = buffer.index("[") + 1, 0
    try:
        while not buffer.startswith("]", start := _BETWEEN.match(buffer, place).end()):  # type: ignore[union-attr]  # it matches nothing too
            try:
                end = scanner.raw_decode(buffer, start)[1]
            except ValueError:  # the rest of it is yet to be read
                chunk = file.read(_MAX_LINE)
                if not chunk or len(buffer) - start > _MAX_LINE:
                    raise
                buffer, place = buffer[place:] + decoder.decode(chunk), 0
                continue
            number += buffer.count("\n", place, start)
            given = max(number, given + 1)
            yield _Line(given, buffer[start:end].replace("\r", " ").replace("\n", " ").encode(encoding))
            number += buffer.count("\n", start, end)
            place = end
        more = buffer[start + 1 :].strip() or file.read(_MAX_LINE).strip()
    except (ValueError, RecursionError):
        raise CommandError(f"the JSON array is broken, or not {encoding.upper()}, after line {number}") from None
    if more:
        raise CommandError(f"there is more than a JSON array, after line {number}")


_BETWEEN = re.compile(r"[\s,]*")


class _CsvFile:
    """Comma-separated values with a header (RFC 4180); semicolons and tabs are recognised too."""

    def __init__(self, lines: _Lines, reading: Reading) -> None:
        self._lines = lines
        self._reading = reading
        first = lines.take()
        header = (first.text if first else None) or b""
        self._delimiter = max((b",", b";", b"\t"), key=header.count)
        delimiter = re.escape(self._delimiter.decode())
        self._null = re.compile(rf'(?<![^{delimiter}])(?:"(?:[^"]|"")*"|[ ]*(?:NULL|\\N)[ ]*(?![^{delimiter}]))')
        self._own_cells = re.compile(rf'(?:(?:"(?:[^"]|"")*"|[^{delimiter}"]*){delimiter}){{2}}'.encode())
        try:
            names = self._cells(_decoded(header, reading))
        except ValueError as error:
            raise CommandError(f"the first line is no CSV header: {error}") from None
        try:
            self._layout = layout(names, reading.columns, reading.ignored, own=_OWN)
        except RowError:
            raise CommandError("the first line, which names the columns, has one of them twice") from None
        self._number_of_cells = len(names)
        places = self._layout.places
        for needed in ("email", "password_hash"):
            if needed not in places:
                raise CommandError(
                    f"the first line, which names the columns, has no {reading.columns.get(needed, needed)}"
                    + _suggestion(names, needed)
                )
        self.ignored = set(self._layout.ignored)
        self.used = set(places)
        self.deleted = 0
        self._is_reject_file = [name.strip().lower() for name in names[:2]] == list(_OWN)
        own = b"" if self._is_reject_file else self._delimiter.join((b"line", b"reason", b""))
        self.reject_header = own + header + b"\n"

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""
        for line in self._lines:
            if line.text is None:
                yield IncomingUser(line.number, b"", _TOO_LONG)
            elif (row := self._row(line, line.text)) is not None:
                yield row

    def rejected(self, row: RejectedRow) -> bytes:
        """Number and reason before the row as it was, byte by byte; as one field, where it is no CSV."""
        was = row.raw
        try:
            self._cells(was.decode("latin-1"))  # for its quotes and delimiters, which no encoding changes
        except ValueError:
            was = b'"' + was.replace(b'"', b'""') + b'"'
        else:
            if self._is_reject_file:
                was = self._own_cells.sub(b"", was, count=1)
        return self._delimiter.join((b"%d" % row.line, _quoted(row.reason), was)) + b"\n"

    def _row(self, first: _Line, raw: bytes) -> IncomingUser | None:
        try:
            return self._user(first.number, raw)
        except ValueError as error:
            reason = str(error)
        following = self._rest_of_row(raw)
        whole = b"\n".join([raw, *(line.text or b"" for line in following)])
        try:
            return self._user(first.number, whole)
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

    def _user(self, number: int, raw: bytes) -> IncomingUser | None:
        text = _decoded(raw, self._reading)
        if "NULL" in text or "\\N" in text:
            # as dumps of MySQL and PostgreSQL write no value; in quotes it is a text
            text = self._null.sub(lambda found: found[0] if found[0].startswith('"') else "", text)
        cells = self._cells(text)
        if len(cells) != self._number_of_cells:
            raise ValueError(f"{len(cells)} fields, not {self._number_of_cells}")
        fields = {name: cells[place].strip() or None for name, place in self._layout.places.items()}
        if any(means_deleted(cells[place]) for place in self._layout.deleted):
            self.deleted += 1
            return deleted_user(number, raw, fields) if self._reading.keeps_deleted else None
        return incoming_user(number, raw, fields, zone=self._reading.zone)

    def _cells(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], delimiter=self._delimiter.decode(), strict=True), [])
        except csv.Error:
            raise ValueError("not CSV: check the quotes") from None


class _JsonFile:
    """One JSON object on each line, or an array of them."""

    def __init__(self, lines: Iterable[_Line], reading: Reading) -> None:
        self._lines = lines
        self._reading = reading
        self.ignored: set[str] = set()
        self.used: set[str] = set()
        self.deleted = 0
        self.reject_header = b""

        @lru_cache(maxsize=256)
        def layout_of(names: tuple[str, ...]) -> Layout:
            found = layout(names, reading.columns, reading.ignored, own=_OWN)
            if len(self.ignored) < 20:
                self.ignored |= found.ignored
            self.used |= found.places.keys()
            return found

        self._layout_of = layout_of

    def rows(self) -> Iterator[IncomingUser]:
        """The rows, one by one; a bad one tells its reason."""
        for line in self._lines:
            if line.text is None:
                yield IncomingUser(line.number, b"", _TOO_LONG)
                continue
            try:
                row = self._user(line.number, line.text)
            except (ValueError, RowError) as error:
                yield IncomingUser(line.number, line.text, str(error))
            else:
                if row is not None:
                    yield row

    def rejected(self, row: RejectedRow) -> bytes:
        """Number and reason before the row's own fields, byte by byte; or before what it was as a text."""
        own = {"line": row.line, "reason": row.reason}
        try:
            fields = _object(row.raw.decode("latin-1"))
            if not fields.keys() & set(_OWN):
                rest = row.raw.strip()[1:]
                return json.dumps(own)[:-1].encode() + (b", " if fields else b"") + rest + b"\n"
            fields = _object(_decoded(row.raw, self._reading))
        except ValueError:
            fields = {"row": row.raw.decode("utf-8", "backslashreplace")}
        return json.dumps(own | {name: value for name, value in fields.items() if name not in _OWN}).encode() + b"\n"

    def _user(self, number: int, raw: bytes) -> IncomingUser | None:
        row = _object(_decoded(raw, self._reading))
        names = tuple(row)
        found = self._layout_of(names)
        fields = {name: row[names[place]] for name, place in found.places.items()}
        if any(means_deleted(row[names[place]]) for place in found.deleted):
            self.deleted += 1
            return deleted_user(number, raw, fields) if self._reading.keeps_deleted else None
        if "password_hash" not in fields and (suggestion := _suggestion(names, "password_hash")):
            raise ValueError(f"no password_hash{suggestion}")
        return incoming_user(number, raw, fields, zone=self._reading.zone)


def _suggestion(names: Sequence[str], column: str) -> str:
    """What may help who has no column of this name."""
    likely = HASH_LIKE if column == "password_hash" else re.compile("e-?mail", re.IGNORECASE)
    found = next((name.strip() for name in names if name.isprintable() and likely.search(name)), None)
    return "" if found is None else f"; if it is called {found} there: --column {column}={found}"


def _object(text: str) -> dict[str, object]:
    try:
        document = strict_json.loads(text.encode())
    except ValueError:
        raise ValueError("not JSON with unique names") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- it is the row's value that is wrong
    return document


def _decoded(raw: bytes, reading: Reading) -> str:
    try:
        return raw.decode(reading.encoding)
    except UnicodeDecodeError:
        raise ValueError(f"not {reading.encoding.upper()}; --encoding names another, such as gb18030") from None


def _quoted(text: str) -> bytes:
    return b'"' + text.replace('"', '""').encode() + b'"'
