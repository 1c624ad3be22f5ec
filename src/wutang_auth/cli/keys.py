"""`wutang-auth keys`: the key ring."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from wutang_auth.cli.context import DATA_DIR, AsJson, CommandError, DataDir, is_set, load, run
from wutang_auth.cli.output import document, say, table, warn
from wutang_auth.database import Database
from wutang_auth.factory import factor_keys
from wutang_auth.repository import TotpRepository
from wutang_auth.settings import KeySettings, LogSettings, TokenSettings
from wutang_auth.settings import load as load_settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import (
    ALGORITHMS,
    ENCRYPTION,
    PICKED_UP_SECONDS,
    Algorithm,
    EncryptionKey,
    KeyRing,
    KeyRingError,
    SigningKey,
)

if TYPE_CHECKING:
    from wutang_auth.service.factors.keys import Reencryption

app = typer.Typer(help="The keys that sign tokens, and those that encrypt second factors.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Option("--file", help="The key ring; default: WUTANG_KEYS_FILE, else keys.json in the data directory."),
]


class KeyCommandSettings(KeySettings, LogSettings):
    """What a command that works on the key ring needs."""


class DropCommandSettings(KeyCommandSettings, TokenSettings):
    """What `keys drop` needs: the key stays until what it signed has expired."""


Group = TypeVar("Group", bound=KeyCommandSettings)
OfEncryption = Annotated[
    bool, typer.Option("--encryption", help="The key that encrypts second factors, not the one that signs.")
]
Kid = Annotated[str, typer.Argument(metavar="KID", help="The key, as `keys list` shows it.", show_default=False)]
_TAKES_KID: Final = {"ignore_unknown_options": True}  # one key in 64 has a name that begins with a hyphen


@app.command()
def generate(
    alg: Annotated[str, typer.Option(help=f"One of {', '.join(ALGORITHMS)}.")] = "ES256",
    file: File = None,
    *,
    following: Annotated[bool, typer.Option("--next", help="Only add a next key to a ring that has none.")] = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Leave a key ring that exists as it is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace one; every token it signed becomes invalid.")] = False,
    encryption: Annotated[
        bool, typer.Option("--encryption", help="Only add the first key that encrypts second factors to a ring.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key ring: a key that signs and the one that will follow it."""
    if alg not in ALGORITHMS:
        raise typer.BadParameter(f"must be one of {', '.join(ALGORITHMS)}", param_hint="--alg")
    path = _settings(KeyCommandSettings, file, data_dir).keys_file
    if encryption:
        kid = _encrypting(_change(path, lambda ring: ring.with_encryption())).kid
        say(f"added the key {kid}, which encrypts second factors, and the one that will follow it")
        return
    if following:
        _change(path, lambda ring: ring.with_next(_algorithm(alg)))
        say(f"added a next {alg} key; rotate to it when every service has read it")
        return
    if path.exists() and not force:
        if if_missing:
            say(f"{path} exists and stays as it is")
            return
        raise CommandError(f"{path} exists; --force replaces it and makes every token it signed invalid")
    ring = replace(KeyRing.generate(_algorithm(alg)), encryption=_kept(path))
    try:
        key_file.save(ring, path)
    except KeyRingError as error:
        raise CommandError(_explained(error, path)) from None
    say(f"wrote {path}: {ring.active.alg} key {ring.active.kid} signs, another is ready to follow")


@app.command("list")
def list_(file: File = None, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the keys and their states; never the keys themselves."""
    ring = read_ring(_settings(KeyCommandSettings, file, data_dir).keys_file)
    if as_json:
        document([_row(key) for key in ring.all])
    else:
        rows = [tuple(_row(key).values()) for key in ring.all]
        table(("kid", "alg", "state", "created", "retired"), rows)


@app.command()
def rotate(
    file: File = None,
    *,
    picked_up: Annotated[
        int, typer.Option(min=0, max=86_400, metavar="SECONDS", help="How long copies take to reach every instance.")
    ] = PICKED_UP_SECONDS,
    force: Annotated[bool, typer.Option("--force", help="Even if the next key is too new to be known.")] = False,
    encryption: OfEncryption = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Sign with the next key from now on; the old one stays valid for what it signed. Encrypt, with --encryption."""
    path = _settings(KeyCommandSettings, file, data_dir).keys_file
    if encryption:
        rotated = _change(path, lambda ring: ring.with_rotated_encryption(_now(), picked_up=picked_up, force=force))
        kid = _encrypting(rotated).kid
        say(f"{kid} encrypts second factors from now on; `wutang-auth keys reencrypt` does it for those there are")
        return
    before = read_ring(path)
    ring = _change(path, lambda ring: ring.rotated(_now(), picked_up=picked_up, force=force))
    say(f"{ring.active.kid} signs; {before.active.kid} is retired; a fresh key is next")


@app.command(context_settings=_TAKES_KID)
def retire(kid: Kid, file: File = None, *, data_dir: DataDir = DATA_DIR) -> None:
    """Never sign with this key; what it signed stays valid."""
    _change(_settings(KeyCommandSettings, file, data_dir).keys_file, lambda ring: ring.with_retired(kid, _now()))
    say(f"retired {kid}")


@app.command(context_settings=_TAKES_KID)
def drop(
    kid: Kid,
    file: File = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Even if tokens that it signed still live.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Remove a key; every token that it signed becomes invalid, and every second factor that it encrypted."""
    settings = _settings(DropCommandSettings, file, data_dir)
    if any(key.kid == kid for key in read_ring(settings.keys_file).encryption):
        if not force and kid in run(data_dir, lambda database: TotpRepository(database).kids()):
            raise CommandError(
                "second factors are encrypted with it; `wutang-auth keys reencrypt` first, "
                "or --force and have their users add them again"
            )
        _change(settings.keys_file, lambda ring: ring.without_encryption(kid))
        say(f"dropped {kid}")
        return
    _change(
        settings.keys_file,
        lambda ring: ring.without(kid, _now(), longest_ttl=settings.refresh_ttl, force=force),
    )
    say(f"dropped {kid}")


@app.command()
def reencrypt(file: File = None, *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Encrypt every second factor with the key that encrypts now, so that earlier ones can be dropped."""
    ring = read_ring(_settings(KeyCommandSettings, file, data_dir).keys_file)
    kid = _encrypting(ring).kid

    async def work(database: Database) -> "Reencryption":
        return await factor_keys(database, ring).reencrypt(kid)

    outcome = run(data_dir, work)
    for line in outcome.unreadable:
        warn(line)
    if as_json:
        document({"kid": kid, "encrypted": outcome.done, "unreadable": len(outcome.unreadable)})
    else:
        say(f"encrypted {outcome.done} second factor{'' if outcome.done == 1 else 's'} with {kid}")


def _kept(path: Path) -> tuple[EncryptionKey, ...]:
    """The keys of the ring that is to be replaced without which second factors could not be checked any more."""
    if not path.exists():
        return ()
    try:
        return key_file.load(path).encryption
    except KeyRingError as error:
        warn(f"{error}; if it had keys that encrypt second factors, they are lost")
        return ()


def _encrypting(ring: KeyRing) -> EncryptionKey:
    if ring.encrypting is None:
        raise CommandError("no key encrypts second factors; `wutang-auth keys generate --encryption` adds one")
    return ring.encrypting


def _settings(group: type[Group], file: Path | None, data_dir: Path) -> Group:
    defaults = {"keys_file": data_dir / "keys.json"}
    return load(group, defaults=defaults) if file is None else load(group, keys_file=file)


def _change(path: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    if not path.is_file():
        read_ring(path)  # says what to do
    # two that change at once do it one after the other; the directory is locked, since each leaves another file behind
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        ring = change(read_ring(path))
        key_file.save(ring, path)
    except KeyRingError as error:
        raise CommandError(_explained(error, path)) from None
    finally:
        os.close(directory)
    return ring


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def read_ring(path: Path) -> KeyRing:
    """The key ring in this file.

    Raises:
        CommandError: it cannot be used.
    """
    try:
        return key_file.load(path)
    except KeyRingError as error:
        raise CommandError(_explained(error, path)) from None


def _explained(error: KeyRingError, path: Path) -> str:
    """What is wrong; with the setting that names the file, where it is the file that is wrong."""
    of_setting = is_set("keys_file") and load_settings(KeySettings).keys_file == path
    return f"WUTANG_KEYS_FILE: {error}" if of_setting and str(error).startswith("the key ring ") else str(error)


def _algorithm(name: str) -> Algorithm:
    return next(alg for alg in ALGORITHMS if alg == name)


def _row(key: SigningKey | EncryptionKey) -> dict[str, object]:
    return {
        "kid": key.kid,
        "alg": key.alg if isinstance(key, SigningKey) else ENCRYPTION,
        "state": key.state,
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }
