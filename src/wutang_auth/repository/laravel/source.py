"""What every database of an application is to a takeover: tables whose values are read as text."""

import os
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

Row = tuple[str | None, ...]
"""The values of a row as the database writes them, in the order of the columns that were asked for."""


class SourceError(Exception):
    """The application's store cannot be read; the message says what happened and what to do next, in one line."""


def in_system_words(error: OSError) -> str:
    """What the operating system says of an error, without addresses."""
    if error.errno is None:
        return "it does not answer"
    return os.strerror(error.errno) if error.errno > 0 else error.strerror or "it cannot be reached"


class Source(Protocol):
    """A database of the application, in one read-only snapshot: all reads see the same state.

    All methods raise:
        SourceError: the database is away, refuses, or has no such table.
    """

    async def columns(self, table: str) -> list[str]:
        """The names of a table's columns, in order."""

    async def count(self, table: str) -> int:
        """The number of a table's rows."""

    def rows(self, table: str, columns: Sequence[str]) -> AsyncIterator[Row]:
        """The rows of a table, one by one, a bounded number of them in memory; ordered by the first column."""
