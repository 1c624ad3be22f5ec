"""The users of an application's database, as rows of an import."""

import json
from collections.abc import AsyncIterator

from wutang_auth.cli.context import CommandError
from wutang_auth.cli.user_columns import layout
from wutang_auth.cli.user_formats import Reading
from wutang_auth.repository import IncomingUser, RejectedRow
from wutang_auth.repository.laravel import Source
from wutang_auth.service.user_import import deleted_user, incoming_user, means_deleted


class SourceUsers:
    """A table of users."""

    reject_header = b""

    def __init__(self, source: Source, table: str, names: list[str], reading: Reading) -> None:
        """`names` are the columns of the table."""
        known = {name.lower() for name in names}
        for theirs in reading.columns.values():
            if theirs.removeprefix("!").lower() not in known:
                raise CommandError(f"the table {table} has no column {theirs.removeprefix('!')}, which --column names")
        found = layout(names, reading.columns, reading.ignored, own=())
        for needed in ("id", "email", "password_hash"):
            if needed not in found.places:
                raise CommandError(f"the table {table} has no column {needed}; --column {needed}=… names it")
        self.ignored = found.ignored
        self._source = source
        self._table = table
        self._zone = reading.zone
        by_name = {field: names[place] for field, place in found.places.items()}
        deleted = [names[place] for place in found.deleted]
        # the id comes first, for the order
        self._columns = list(dict.fromkeys([by_name["id"], *by_name.values(), *deleted]))
        self._places = {field: self._columns.index(name) for field, name in by_name.items()}
        self._deleted = [self._columns.index(name) for name in deleted]

    async def rows(self) -> AsyncIterator[IncomingUser]:
        """The users in the order of their ids; a bad one tells its reason."""
        line = 0
        async for values in self._source.rows(self._table, self._columns):
            line += 1
            raw = json.dumps(dict(zip(self._columns, values, strict=True)), ensure_ascii=False).encode(errors="replace")
            fields = {name: values[place] or None for name, place in self._places.items()}
            if any(means_deleted(values[place]) for place in self._deleted):
                yield deleted_user(line, raw, fields)
            else:
                yield incoming_user(line, raw, fields, zone=self._zone)

    def rejected(self, row: RejectedRow) -> bytes:
        """Number and reason before the columns of the row, as one line of JSON."""
        return json.dumps({"line": row.line, "reason": row.reason})[:-1].encode() + b", " + row.raw[1:] + b"\n"
