"""Kind 2 of the field cases: PgBouncer 1.18 in transaction mode, `serve` and every command, twice in a row."""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp

import httpx
import pytest

from faults.cluster import NAME, Server, free_port, memory
from support.commands import Shell
from support.services import environment_of, serving
from wutang_auth.database import migrations

pytestmark = pytest.mark.long

HASH = "$2y$10$jDk7V8GvvPmuQdRTrWn7tuDpsCI8ic7jBzCJDF/tAX60HsTgLsTjK"
PASSWORD = "a password of somebody"


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[Server]:
    """A server on loopback."""
    directory = Path(mkdtemp(prefix="wutang-pgbouncer-", dir=memory()))
    server = await Server.create(directory / "server")
    yield server
    await server.stop()
    shutil.rmtree(directory)


@asynccontextmanager
async def pgbouncer(server: Server, directory: Path) -> AsyncIterator[str]:
    """Its URL. Two connections for all, so that each transaction may have another one than the one before it."""
    port = free_port()
    (directory / "pgbouncer.ini").write_text(
        f"""[databases]
* = host=127.0.0.1 port={server.port} user={NAME} password={server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
"""
    )
    for path in (directory, *directory.parents):
        if path.stat().st_mode & 0o5 != 0o5 and path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o5)
    (directory / "pgbouncer.ini").chmod(0o644)
    user = ["-u", "nobody"] if os.getuid() == 0 else []  # it refuses to be root
    process = await asyncio.create_subprocess_exec(
        shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", "-q", *user, str(directory / "pgbouncer.ini"),
        stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await listening(port)
        yield f"postgresql://{NAME}@127.0.0.1:{port}/{NAME}"
    finally:
        process.kill()
        await process.wait()


async def listening(port: int) -> None:
    """Wait until somebody listens here."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("PgBouncer did not start")


@pytest.fixture
async def url(postgres: Server, tmp_path: Path) -> AsyncIterator[str]:
    """PgBouncer before an empty database."""
    await postgres.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)", database="postgres")
    await postgres.execute(f"CREATE DATABASE {NAME}", database="postgres")
    async with pgbouncer(postgres, tmp_path) as found:
        yield found


COMMANDS = [
    ("migrate", ""),
    ("migrate --check", ""),
    ("users import {file}", ""),
    ("users create {address} --password-stdin --json", PASSWORD),
    ("users list", ""),
    ("users show {address}", ""),
    ("users set-password {address} --password-stdin", PASSWORD),
    ("users disable {address}", ""),
    ("users enable {address}", ""),
    ("users grant {address} a:b", ""),
    ("users revoke {address} a:b", ""),
    ("users export", ""),
    ("sessions list {address}", ""),
    ("sessions revoke {address}", ""),
    ("sessions prune", ""),
    ("users delete {address} --yes", ""),
]


@pytest.mark.parametrize("parameters", ["setting", "?pgbouncer=true"])
async def test_2_every_command_twice_in_a_row(parameters: str, url: str, tmp_path: Path) -> None:
    given = {"WUTANG_DB_PREPARED_STATEMENTS": "false"} if parameters == "setting" else {}
    shell = Shell({"WUTANG_DATABASE_URL": url if given else f"{url}{parameters}", **given})
    for turn in range(2):
        file = tmp_path / f"users{turn}.csv"
        file.write_text(f"id,email,password_hash\n{100 + turn},c{turn}@shop.example,{HASH}\n")
        for command, stdin in COMMANDS:
            line = command.format(file=file, address=f"a{turn}@shop.example")
            outcome = await shell(line, stdin=f"{stdin}\n")
            assert (outcome.code, outcome.stderr) == (0, ""), (line, outcome)


async def test_2_serve_twice_in_a_row(url: str, keys_file: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(migrations.upgrade, url, prepare=False)
    shell = Shell({"WUTANG_DATABASE_URL": url, "WUTANG_DB_PREPARED_STATEMENTS": "false"})
    created = await shell("users create a@shop.example --password-stdin", stdin=f"{PASSWORD}\n")
    assert created.code == 0
    environment = environment_of(url, keys_file, db_prepared_statements="false", db_pool_size=8)
    for turn in range(2):
        async with serving(environment, tmp_path / f"log{turn}") as process, process.client() as client:
            assert (await client.get("/readyz")).json() == {"status": "ok"}
            statuses = [status for found in await asyncio.gather(*(flow(client) for _ in range(8))) for status in found]
            assert set(statuses) == {200}
            assert "a bug" not in (tmp_path / f"log{turn}").read_text()


async def flow(client: httpx.AsyncClient) -> list[int]:
    """A login, its use, its refresh, and its end."""
    login = await client.post("/api/auth/login", json={"email": "a@shop.example", "password": PASSWORD})
    if login.status_code != 200:
        return [login.status_code]
    pair = login.json()["data"]
    refreshed = await client.put("/api/auth/refresh", headers={"Authorization": f"Bearer {pair['refresh_token']}"})
    bearer = {"Authorization": f"Bearer {refreshed.json()['data']['access_token']}"}
    answers = [login, refreshed, *[await client.get("/api/auth/me", headers=bearer) for _ in range(5)]]
    return [answer.status_code for answer in [*answers, await client.delete("/api/auth/logout", headers=bearer)]]


async def test_2_setting_that_was_forgotten_is_503_and_named(url: str, keys_file: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(migrations.upgrade, url, prepare=False)
    environment = environment_of(url, keys_file, db_pool_size=8)
    log = tmp_path / "log"
    reasons, statuses = set(), set()
    async with serving(environment, log) as process, process.client() as client:
        for _ in range(10):
            answers = await asyncio.gather(
                *(client.get("/readyz") for _ in range(8)),
                *(
                    client.post("/api/auth/login", json={"email": f"u{n}@shop.example", "password": "x"})
                    for n in range(4)
                ),
            )
            statuses |= {answer.status_code for answer in answers}
            reasons |= {answer.json().get("reason") for answer in answers[:8]}
    text = log.read_text()
    assert statuses <= {200, 401, 429, 503}
    assert "prepared statements do not reach PostgreSQL" in reasons
    assert "set WUTANG_DB_PREPARED_STATEMENTS=false" in text
    assert not re.search(r"\w(Error|Exception)\b", text)
