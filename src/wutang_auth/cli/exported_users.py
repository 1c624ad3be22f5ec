"""Users as an export writes them, so that an import reads them."""

import json
import re
from collections.abc import Iterable

from wutang_auth.cli.user_formats import Format
from wutang_auth.fields import EARLIEST, format_timestamp
from wutang_auth.repository import StoredUser
from wutang_auth.service.user_import import COLUMNS


def exported_header(file_format: Format) -> str:
    """How a file of exported users begins."""
    return _csv_line(COLUMNS) if file_format is Format.csv else ""


def exported_row(stored: StoredUser, file_format: Format) -> str:
    """A user as an import reads it."""
    user = stored.user
    # the earliest is what an import refuses; who wrote it to the database meant none
    verified_at, created_at, updated_at = (
        None if time in (None, EARLIEST) else format_timestamp(time)
        for time in (user.email_verified_at, user.created_at, user.updated_at)
    )
    values = (
        user.id, user.email, user.name, verified_at, stored.password_hash, user.scopes, user.disabled_at is not None,
        created_at, updated_at,
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
    return (
        ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' if _TO_QUOTE.search(cell) else cell for cell in cells) + "\n"
    )


_TO_QUOTE = re.compile(r'[",\r\n]|^(?:NULL|\\N)$')  # the last two are no text unless in quotes
