"""How commands speak: tables for people, documents for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import Any
from uuid import UUID

import typer

from wutang_auth.fields import format_timestamp
from wutang_auth.repository import SessionRecord

_FITTED_ROWS = 500


def say(line: str) -> None:
    """One line for people."""
    typer.echo(line)


def warn(line: str) -> None:
    """One line for people about what may not be meant, apart from what was done."""
    typer.echo(f"wutang-auth: warning: {line}", err=True)


def document(value: Any) -> None:
    """One JSON document for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=_plain))


def documents(values: Iterable[Mapping[str, object]]) -> None:
    """One JSON array, each value on a line of its own."""
    separator = "["
    for value in values:
        sys.stdout.write(f"{separator}{json.dumps(value, ensure_ascii=False, default=_plain)}")
        separator = ",\n "
    sys.stdout.write("]\n" if separator != "[" else "[]\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people: fitted to the terminal, or in whole lines for a pipe and where rows are many."""
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    remaining = iter(rows)
    first = [[_cell(value) for value in row] for row in islice(remaining, _FITTED_ROWS + 1)]
    if sys.stdout.isatty() and len(first) <= _FITTED_ROWS:
        grid = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in first:
            grid.add_row(*map(Text, row))
        Console(highlight=False, markup=False).print(grid)
        return
    widths = [max(map(cell_len, column)) for column in zip(columns, *first, strict=True)]
    for row in chain([list(columns)], first, ([_cell(value) for value in row] for row in remaining)):
        cells = (set_cell_size(cell, max(width, cell_len(cell))) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def session_document(session: SessionRecord) -> dict[str, Any]:
    """A session as the API shows one."""
    fields = asdict(session)
    return {"id": fields.pop("id"), "refreshed_at": fields.pop("rotated_at"), **fields}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, list):
        return " ".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # control characters would drive the terminal
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
