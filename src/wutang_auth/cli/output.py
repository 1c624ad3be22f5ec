"""How commands speak: tables for people, documents for programs."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wutang_auth.keys import rfc3339
from wutang_auth.repository import SessionRecord, UserRecord


def say(line: str) -> None:
    """One line for people."""
    typer.echo(line)


def document(value: Any) -> None:
    """One JSON document for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=_plain))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people."""
    grid = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(Text(_cell(value)) for value in row))
    # a pipe gets whole lines
    Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False).print(grid)


def user_document(user: UserRecord) -> dict[str, Any]:
    """A user as the API shows one."""
    fields = asdict(user)
    disabled_at = fields.pop("disabled_at")
    return {**fields, "disabled": disabled_at is not None}


def session_document(session: SessionRecord) -> dict[str, Any]:
    """A session as the API shows one."""
    fields = asdict(session)
    return {"id": fields.pop("id"), "refreshed_at": fields.pop("rotated_at"), **fields}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return rfc3339(value.replace(microsecond=0))
    if isinstance(value, list):
        return " ".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # control characters would drive the terminal
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
