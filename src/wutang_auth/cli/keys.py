"""`wutang-auth keys`: the key ring."""

from pathlib import Path
from typing import Annotated

import typer

from wutang_auth.cli.output import document, say, table
from wutang_auth.cli.target import DATA_DIR, AsJson, CommandError, DataDir, keys_file
from wutang_auth.keys import ALGORITHMS, Algorithm, KeyRing, KeyRingError, SigningKey

app = typer.Typer(help="The keys that sign tokens.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Option("--file", help="The key ring; default: WUTANG_KEYS_FILE, else keys.json in the data directory."),
]


@app.command()
def generate(
    alg: Annotated[str, typer.Option(help=f"One of {', '.join(ALGORITHMS)}.")] = "ES256",
    file: File = None,
    *,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Leave a key ring that exists as it is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace one; every token it signed becomes invalid.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key ring: a key that signs and the one that will follow it."""
    if alg not in ALGORITHMS:
        raise typer.BadParameter(f"must be one of {', '.join(ALGORITHMS)}", param_hint="--alg")
    path = file or keys_file(data_dir)
    if path.exists() and not force:
        if if_missing:
            say(f"{path} exists and stays as it is")
            return
        raise CommandError(f"{path} exists; --force replaces it and makes every token it signed invalid")
    ring = KeyRing.generate(_algorithm(alg))
    try:
        ring.save(path)
    except KeyRingError as error:
        raise CommandError(str(error)) from None
    say(f"wrote {path}: {ring.active.alg} key {ring.active.kid} signs, another is ready to follow")


@app.command("list")
def list_(file: File = None, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the keys and their states; never the keys themselves."""
    ring = load(file or keys_file(data_dir))
    if as_json:
        document([_row(key) for key in ring.keys])
    else:
        table(("kid", "alg", "state", "created", "retired"), [tuple(_row(key).values()) for key in ring.keys])


def load(path: Path) -> KeyRing:
    """The key ring in this file.

    Raises:
        CommandError: it cannot be used.
    """
    try:
        return KeyRing.load(path)
    except KeyRingError as error:
        raise CommandError(str(error)) from None


def _algorithm(name: str) -> Algorithm:
    return next(alg for alg in ALGORITHMS if alg == name)


def _row(key: SigningKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }
