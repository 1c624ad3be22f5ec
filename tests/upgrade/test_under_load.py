"""An upgrade and a rollback under load, behind HAProxy and nginx: not one request is refused."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import httpx
import pytest

from faults.clients import Load
from faults.cluster import Server, free_port, memory
from faults.history import judge
from faults.stage import EMAILS, GRACE
from support.database import query
from support.services import Process, serving
from support.tokens import Forge
from support.users import PASSWORD_HASH
from upgrade.balancers import balancer
from upgrade.releases import Release, this_version, version_after, version_before
from wutang_auth.tokens import key_file

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

VISITORS = 3
BETWEEN = 3.0
"""Seconds between two instances, as docs/upgrades.md says: longer than two checks of the balancer."""
WAYS: dict[str, Callable[[Path], tuple[Release, Release]]] = {
    "0.1.0 and this version": lambda directory: (version_before(directory / "before"), this_version()),
    "this version and the next": lambda directory: (this_version(), version_after(directory / "after")),
}


@pytest.fixture
async def directory() -> AsyncIterator[Path]:
    """For what is written, in memory."""
    directory = Path(mkdtemp(prefix="wutang-upgrade-", dir=memory()))
    yield directory
    shutil.rmtree(directory)


class Fleet:
    """Two instances on one database, which are replaced one after the other."""

    def __init__(self, server: Server, directory: Path, exits: AsyncExitStack) -> None:
        self.ports = [free_port(), free_port()]
        self.server = server
        self.keys_file = directory / "keys.json"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "WUTANG_DATABASE_URL": server.url(),
            "WUTANG_KEYS_FILE": str(self.keys_file),
            "WUTANG_DRAIN_SECONDS": str(BETWEEN),
            "WUTANG_DB_POOL_SIZE": "8",
            "WUTANG_REFRESH_GRACE": str(GRACE),
            # a machine that is busy starting programs is slow, and refuses nobody
            **{f"WUTANG_DB_{limit}_TIMEOUT": "20" for limit in ("CONNECT", "STATEMENT", "POOL", "REQUEST")},
        }
        self._directory = directory
        self._exits = exits
        self._runs = count()
        self._services: dict[int, Process] = {}

    async def begin(self, release: Release) -> None:
        """With this version, its own schema and its own keys."""
        await release.command(self.environment, "keys", "generate", "--file", str(self.keys_file))
        await release.command(self.environment, "migrate")
        for email in EMAILS:
            insert = "INSERT INTO users (email, canonical_email, password_hash) VALUES ($1, $1, $2)"
            await query(self.server.url(), insert, email, PASSWORD_HASH)
        await asyncio.gather(*(self._start(port, release) for port in self.ports))

    async def replace(self, release: Release) -> None:
        """By another version, as docs/upgrades.md says."""
        for port in self.ports:
            assert await self._services[port].terminate() == 0
            await self._start(port, release)
            await asyncio.sleep(BETWEEN)

    def load(self, port: int) -> Load:
        """Visitors of the balancer."""
        return Load([port], EMAILS[:VISITORS], Forge(key_file.load(self.keys_file).active))

    async def _start(self, port: int, release: Release) -> None:
        log = self._directory / f"service-{next(self._runs)}.log"
        environment = release.environment(self.environment)
        process = await self._exits.enter_async_context(serving(environment, log, "--port", str(port)))
        self._services[port] = process
        async with process.client() as client:
            await _until_ready(client, release.readiness)


async def _until_ready(client: httpx.AsyncClient, readiness: str) -> None:
    async with asyncio.timeout(30):
        while (await client.get(readiness)).status_code != 200:  # noqa: ASYNC110 -- the event is in another process
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
async def test_nobody_is_refused_on_the_way_and_back(
    kind: str, way: str, directory: Path, record_property: Callable[[str, object], None]
) -> None:
    older, newer = WAYS[way](directory)
    async with AsyncExitStack() as exits:
        server = await Server.create(directory / "server")
        exits.push_async_callback(server.stop)
        fleet = Fleet(server, directory, exits)
        await fleet.begin(older)
        port = await exits.enter_async_context(balancer(kind, directory, fleet.ports, readiness=older.readiness))
        async with fleet.load(port) as load:
            await load.serve()
            said = await newer.command(fleet.environment, "migrate")
            assert said.startswith("migrated the schema from ")
            await fleet.replace(newer)
            await load.serve()
            await fleet.replace(older)
            await load.serve()
    seconds = load.operations[-1].ended - load.operations[0].begun
    failed = [operation for operation in load.operations if operation.outcome in ("never", "unknown", "wrong")]
    counted = f"{len(load.operations):>6} requests in {seconds:3.0f} s, {len(failed)} not served"
    record_property("upgrade", f"{kind:<8} {way:<26} {counted}")
    assert failed == []
    verdict = judge(load.operations, grace=GRACE)
    assert (verdict.forgotten, verdict.wrongly_accepted, verdict.otherwise_wrong) == ([], [], [])


async def test_migrate_of_the_older_version_leaves_the_newer_schema_alone(
    empty_database_url: str, directory: Path
) -> None:
    environment = {"PATH": "/usr/bin:/bin", "WUTANG_DATABASE_URL": empty_database_url}
    await version_after(directory / "after").command(environment, "migrate")
    for arguments in ((), ("--check",)):
        said = await this_version().command(environment, "migrate", *arguments)
        assert said.endswith("is newer than this version; nothing to do")
