"""How users are to be read: the options that an import and a takeover share."""

import codecs
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from wutang_auth.cli.context import CommandError
from wutang_auth.cli.user_formats import Format
from wutang_auth.service.user_import import COLUMNS

FileFormat = Annotated[
    Format | None, typer.Option("--format", help="How the file is written; default: as its name ends.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="OURS=THEIRS",
        help="What a column of ours is called there; 'disabled=!is_active' where it means the opposite.",
    ),
]
Ignored = Annotated[list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="Leave this column alone.")]
Encoding = Annotated[str, typer.Option(help="How the file writes characters, such as gb18030.")]
Timezone = Annotated[str, typer.Option(help="That of times without an offset, such as Asia/Shanghai or +08:00.")]

STANDARD = Path("-")
"""Standard input or output."""


def columns_of(given: list[str]) -> dict[str, str]:
    """What each --column says, by the column of ours.

    Raises:
        BadParameter: it is no such pair, or one is given twice.
    """
    columns: dict[str, str] = {}
    for pair in given:
        ours, _, theirs = pair.partition("=")
        if ours not in COLUMNS or not theirs.removeprefix("!") or (theirs.startswith("!") and ours != "disabled"):
            raise typer.BadParameter(
                f"must be OURS=THEIRS, such as password_hash=pw, with OURS one of {', '.join(COLUMNS)}; "
                "only disabled has an opposite, such as disabled=!is_active",
                param_hint="--column",
            )
        if ours in columns:
            raise typer.BadParameter(f"{ours} is given twice", param_hint="--column")
        columns[ours] = theirs
    return columns


def encoding_of(name: str) -> str:
    """The codec of an encoding.

    Raises:
        CommandError: there is none, or it writes ASCII in another way.
    """
    ascii_bytes = bytes(range(128))
    try:
        actual = codecs.lookup(name).name
        fits = ascii_bytes.decode(actual) == ascii_bytes.decode("ascii") and not actual.startswith(("iso2022", "hz"))
    except (LookupError, UnicodeError):
        fits = False
    if not fits:
        raise CommandError(
            "--encoding must be one that has ASCII as it is, such as gb18030, big5 or cp1252; iconv makes others UTF-8"
        )
    return actual


def zone_of(name: str) -> tzinfo:
    """The time zone of a name or an offset.

    Raises:
        CommandError: this machine knows none.
    """
    if name.upper() == "UTC":
        return UTC
    if re.fullmatch("[+-][0-9]{2}:[0-5][0-9]", name) and name[1:3] < "24":
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise CommandError(
            "--timezone: this machine knows no such time zone; give its offset, such as +08:00"
        ) from None


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file to read, or standard input.

    Raises:
        CommandError: it cannot be read.
    """
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    with source:
        yield source


def format_of(file: Path, given: Format | None) -> Format:
    """The format that is given, or the one that the name tells.

    Raises:
        BadParameter: neither tells.
    """
    endings = {
        ".csv": Format.csv, ".tsv": Format.csv, ".jsonl": Format.jsonl, ".ndjson": Format.jsonl, ".json": Format.jsonl,
    }  # fmt: skip
    file_format = given or endings.get(file.suffix.lower())
    if file_format is None:
        raise typer.BadParameter("give csv or jsonl, since the file's name does not tell", param_hint="--format")
    return file_format
