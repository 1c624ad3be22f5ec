"""What tests set up by a call: services, users, logins, forged tokens."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import jwt
from fastapi import FastAPI
from passlib.hash import argon2

from wutang_auth.database import Database
from wutang_auth.main import create_app
from wutang_auth.repository import UserRecord, UserRepository
from wutang_auth.settings import Settings
from wutang_auth.tokens.key_ring import KeyRing, SigningKey

SERVER = "WUTANG_TEST_SERVER"  # the variable with the URL of this run's PostgreSQL
TEMPLATE = "WUTANG_TEST_TEMPLATE"  # the variable with the name of its migrated, empty database
PASSWORD = "correct horse battery staple"
_PASSWORD_HASH = argon2.using(type="ID", memory_cost=19456, time_cost=2, parallelism=1).hash(PASSWORD)


@dataclass
class Instance:
    """A running service and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: Settings


@dataclass
class Login:
    """A token pair."""

    access_token: str
    refresh_token: str
    user_id: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The access token, ready to send."""
        return bearer(self.access_token)


@dataclass
class Process:
    """A service in a process of its own, on a real socket."""

    process: asyncio.subprocess.Process
    base_url: str
    log: Path

    def kill(self) -> None:
        """As by kill -9."""
        self.process.kill()

    async def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


@dataclass
class Forge:
    """Signs anything with the service's own key, as no service would; by another library than the service's."""

    key: SigningKey

    def sign(self, header: bytes | dict[str, Any], claims: bytes | dict[str, Any]) -> str:
        """A token of these two parts, whatever they are."""
        signed = f"{encode_segment(header)}.{encode_segment(claims)}"
        return f"{signed}.{self.signature(signed)}"

    def signature(self, signed: str) -> str:
        """The signature of this text."""
        return encode_segment(self._sign(signed.encode()))

    @cached_property
    def _sign(self) -> Callable[[bytes], bytes]:
        algorithm = jwt.get_algorithm_by_name(self.key.alg)
        return partial(algorithm.sign, key=algorithm.from_jwk(json.dumps(self.key.private_jwk())))

    def changed(self, token: str, header: dict[str, Any] = {}, **claims: Any) -> str:  # noqa: B006 -- never changed
        """A genuine token with other values, signed again; `...` leaves a member out."""
        head, body, _ = token.split(".")
        return self.sign(_merged(decode_segment(head), header), _merged(decode_segment(body), claims))


def forge(settings: Settings) -> Forge:
    """A forge with the key that signs for a service of these settings."""
    return Forge(KeyRing.load(settings.keys_file).active)


def _merged(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not ...}


def environment_of(database_url: str, keys_file: Path, **settings: object) -> dict[str, str]:
    """The environment of a process with these settings, and none of this process's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WUTANG_")}
    given = {"database_url": database_url, "keys_file": keys_file, "drain_seconds": 0, **settings}
    return inherited | {f"WUTANG_{name.upper()}": str(value) for name, value in given.items()}


@asynccontextmanager
async def temporary_database(*, migrated: bool = True) -> AsyncIterator[str]:
    """A new, empty database for as long as the block runs."""
    name = f"wutang_test_{uuid4().hex[:12]}"
    await administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {os.environ[TEMPLATE]}" if migrated else ""))
    yield with_database(os.environ[SERVER], name)
    await administer(f"DROP DATABASE {name} WITH (FORCE)")


async def administer(statement: str) -> None:
    """One statement for the server as a whole."""
    connection = await asyncpg.connect(os.environ[SERVER])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Instance]:
    """A service in this process."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://wutang.test") as client:
            yield Instance(app, client, settings)


@asynccontextmanager
async def serving(environment: dict[str, str], log: Path, *arguments: str, prelude: str = "") -> AsyncIterator[Process]:
    """`wutang-auth serve` in a process of its own, on a free port; the prelude is to shorten waits."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"{prelude}\nfrom wutang_auth.cli import main; main()",
            "serve", "--port", "0", *arguments,
            env=environment, stderr=output, stdout=output,
        )  # fmt: skip
    try:
        base_url = await asyncio.wait_for(_listening(log, process), 20)
        yield Process(process, base_url, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def _listening(log: Path, process: asyncio.subprocess.Process) -> str:
    read = log.read_text
    while process.returncode is None:
        if found := re.search(r"listening on (http://[0-9.]+:[0-9]+)", read()):
            async with httpx.AsyncClient(base_url=found[1]) as client:
                try:
                    if (await client.get("/healthz")).status_code == 200:
                        return found[1]
                except httpx.TransportError:
                    pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"the server ended: {read()}")


def run_cli(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with nothing in its environment but this and PATH."""
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", "from wutang_auth.cli import main; main()", *arguments],
        env=inherited | environment, input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


async def add_user(
    target: Settings | str,
    email: str = "ada@wutang.example",
    *,
    name: str = "Ada",
    scopes: list[str] | None = None,
    password_hash: str = _PASSWORD_HASH,
    disabled: bool = False,
) -> UserRecord:
    """A user whose password is PASSWORD."""
    database = Database(_url(target))
    try:
        return await UserRepository(database).create(
            email=email, name=name, password_hash=password_hash, scopes=scopes or [], disabled=disabled
        )
    finally:
        await database.close()


async def log_in(client: httpx.AsyncClient, email: str = "ada@wutang.example", password: str = PASSWORD) -> Login:
    """A login that must succeed."""
    response = await client.post("/api/auth/login", json={"email": email, "password": password})
    return token_pair(response)


async def add_and_log_in(instance: Instance, email: str = "ada@wutang.example", **user: Any) -> Login:
    """A new user, logged in."""
    record = await add_user(instance.settings, email, **user)
    login = await log_in(instance.client, email)
    login.user_id = record.id
    return login


def token_pair(response: httpx.Response) -> Login:
    """The tokens of an answer that must be a success."""
    data = success(response)
    return Login(data["access_token"], data["refresh_token"])


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def success(response: httpx.Response, status: int = 200) -> Any:
    """The data of an answer that must be a success."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["code"] == 20001
    assert set(body) == {"code", "message", "data"}
    return body["data"]


def assert_refused(response: httpx.Response, status: int, code: int) -> dict[str, Any]:
    """The body of an answer that must be this refusal, in the envelope."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    body: dict[str, Any] = response.json()
    assert set(body) == ({"code", "message", "data", "errors"} if code == 10001 else {"code", "message", "data"})
    assert body["data"] is None
    assert response.headers["content-type"] == "application/json"
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer ")
    return body


async def query(target: Settings | str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Look into the database behind the service's back."""
    connection = await asyncpg.connect(_url(target))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        await connection.close()


def _url(target: Settings | str) -> str:
    return target if isinstance(target, str) else target.database_url.get_secret_value()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    before, after = re.fullmatch(r"(postgres(?:ql)?://[^/]*)/[^?]*(\?.*)?", url).groups()  # type: ignore[union-attr]
    return f"{before}/{name}{after or ''}"


def encode_segment(value: bytes | dict[str, Any]) -> str:
    """A segment of a token."""
    content = json.dumps(value).encode() if isinstance(value, dict) else value
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_segment(segment: str) -> dict[str, Any]:
    """The JSON of a token's segment."""
    document: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return document
