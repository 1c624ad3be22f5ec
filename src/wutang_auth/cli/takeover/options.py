"""What the commands of a takeover share."""

import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer

from wutang_auth.cli.context import CommandError

T = TypeVar("T")

From = Annotated[
    str,
    typer.Option("--from", metavar="URL|PATH", help="Where the application keeps them; only read.", show_default=False),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password of the source from standard input, not the URL.")
]
_ROWS_A_TICK = 500


def source_password(*, stdin: bool) -> str | None:
    """The password of the source; None: as the URL has it."""
    return sys.stdin.readline().rstrip("\r\n") if stdin else None


@contextmanager
def source_in_one_line(unchanged: str = "nothing was changed") -> Iterator[None]:
    """Turn what a source refuses into one line.

    Raises:
        CommandError: the source cannot be read.
    """
    from wutang_auth.repository.laravel import SourceError

    try:
        yield
    except SourceError as error:
        raise CommandError(f"{error}; {unchanged}") from None


async def shown(rows: AsyncIterable[T], total: int | None, what: str) -> AsyncIterator[T]:
    """The same rows, with a bar on a terminal that says how many there were."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    ) as bar:  # fmt: skip
        task, count = bar.add_task(f"reading {what}", total=total), 0
        async for row in rows:
            count += 1
            if count % _ROWS_A_TICK == 0:
                bar.update(task, completed=count)
            yield row
