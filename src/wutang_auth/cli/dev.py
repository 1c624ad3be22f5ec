"""`wutang-auth dev`: everything, with nothing to set up."""

import asyncio
import fcntl
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wutang_auth.cli.context import (
    DATA_DIR,
    CommandError,
    DataDir,
    embedded,
    in_one_line,
    is_set,
    load,
    mail_defaults,
    mails_folder,
    migration_options,
    open_command_database,
)
from wutang_auth.cli.output import say
from wutang_auth.settings import Settings, SettingsError

_DEMO_EMAIL = "demo@wutang.example"
_DEMO_SCOPES = ["tokens:introspect", "users:read", "users:write"]
_DEV_DEFAULTS = {"log_level": "warning", "mfa": "optional"}


def dev(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Run the service with its own PostgreSQL, a key ring and a demo user. Ctrl-C stops all of it."""
    with _only_one(data_dir):
        listener = _bound(host, port)
        base_url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        with embedded(data_dir) as postgres:
            _serve(data_dir, base_url, postgres.url(), listener)
    say("stopped")


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data directory against a second `dev`; the lock goes with the process, however it ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "dev.lock").open("w")
    except OSError as error:
        raise CommandError(f"the data directory {data_dir} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = _read(data_dir)
            where = f" at {running['base_url']} (pid {running['pid']})" if "base_url" in running else ""
            raise CommandError(
                f"another `wutang-auth dev` runs on {data_dir}{where}; use it, stop it, or give another --data-dir"
            ) from None
        yield


def _bound(host: str, port: int) -> socket.socket:
    from wutang_auth.server.process import bind

    try:
        return bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None


def _serve(data_dir: Path, base_url: str, database_url: str, listener: socket.socket) -> None:
    from wutang_auth.api.routes import dev_mails
    from wutang_auth.database import is_enough, migrations
    from wutang_auth.server import process as server
    from wutang_auth.tokens.key_ring import KeyRingError

    settings = load(
        Settings,
        log=True,
        defaults={"keys_file": data_dir / "keys.json", **_DEV_DEFAULTS, **mail_defaults(data_dir, base_url)},
        database_url=database_url,
    )
    options = migration_options(settings)
    try:
        with in_one_line():
            if not is_enough(migrations.current(database_url, **options)):
                migrations.upgrade(database_url, **options)
        _complete_ring(settings)
        app = server.create_app(settings)
        if not is_set("smtp_url"):
            dev_mails.install(app, mails_folder(data_dir))
    except KeyRingError as error:
        raise CommandError(f"WUTANG_KEYS_FILE: {error}" if is_set("keys_file") else str(error)) from None
    except SettingsError as error:
        raise CommandError(str(error)) from None
    with in_one_line():
        password = asyncio.run(_demo_user(settings, _read(data_dir).get("password")))
    details = {"base_url": base_url, "email": _DEMO_EMAIL, "password": password, "pid": os.getpid()}
    _write(data_dir, details)
    say(_banner(details, data_dir, shows_mails=not is_set("smtp_url")))
    sys.stdout.flush()
    server.run(settings, listener, app=app)


def _complete_ring(settings: Settings) -> None:
    """Make the key ring, and the key that encrypts second factors, if they are missing."""
    from wutang_auth.tokens import key_file
    from wutang_auth.tokens.key_ring import KeyRing

    if not settings.keys_file.exists():
        key_file.save(KeyRing.generate().with_encryption(), settings.keys_file)
        return
    ring = key_file.load(settings.keys_file)
    if settings.mfa != "off" and ring.encrypting is None:
        key_file.save(ring.with_encryption(), settings.keys_file)


async def _demo_user(settings: Settings, known_password: object) -> str:
    """Make sure that the demo user exists, and return a password that lets it in."""
    from wutang_auth.errors import NotFound
    from wutang_auth.passwords.workers import Passwords
    from wutang_auth.repository import CredentialRepository, UserChange, UserRepository

    database = open_command_database(settings)
    users = UserRepository(database)
    passwords = Passwords(workers=1, queue=1)
    try:
        credentials = await CredentialRepository(database).find(_DEMO_EMAIL)
        if credentials is not None and not credentials.is_disabled and isinstance(known_password, str):
            verdict = await passwords.verify(known_password, credentials.password_hash)
            if verdict.matches:
                return known_password
        password = secrets.token_urlsafe(12)
        password_hash = await passwords.hash(password)
        try:
            user = await users.find(_DEMO_EMAIL)
            await users.update(user.id, UserChange(password_hash=password_hash, disabled=False))
        except NotFound:
            await users.create(email=_DEMO_EMAIL, name="Demo", password_hash=password_hash, scopes=_DEMO_SCOPES)
        return password
    finally:
        await database.close()


def _read(data_dir: Path) -> dict[str, Any]:
    try:
        found = json.loads((data_dir / "dev.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(data_dir: Path, details: dict[str, Any]) -> None:
    path = data_dir / "dev.json"
    new = data_dir / "dev.json.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(details, file, indent=2)
        file.write("\n")
    new.replace(path)


def _banner(details: dict[str, Any], data_dir: Path, *, shows_mails: bool) -> str:
    mails = (
        f"""
    mails          {details["base_url"]}/dev/mails"""
        if shows_mails
        else ""
    )
    credentials = json.dumps({"email": details["email"], "password": details["password"]})
    return f"""
  wutang-auth runs at {details["base_url"]}

    Swagger UI     {details["base_url"]}/docs
    reference      {details["base_url"]}/redoc
    account        {details["base_url"]}/account{mails}
    e-mail         {details["email"]}
    password       {details["password"]}     (also in {data_dir / "dev.json"})

  Log in:
    curl -s {details["base_url"]}/api/auth/login -H 'Content-Type: application/json' -d '{credentials}'

  Ctrl-C stops it.
"""
