"""Two instances of the service on a cluster of Patroni's, and what stands before and between them."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import asyncpg
import httpx

from faults.clients import Load
from faults.history import Verdict, judge
from faults.stage import EMAILS, GRACE
from ha.cluster import Cluster, started, until
from ha.programs import Program, Site, listening, running
from support.commands import run_apart
from support.services import Process, environment_of, serving
from support.tokens import Forge
from support.users import add_user
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

NAME = "wutang"
READS = ("me",)
WRITES = ("login", "refresh", "logout")


@dataclass
class Stage:
    """What a fault happens to."""

    site: Site
    cluster: Cluster
    keys_file: Path
    exits: AsyncExitStack
    pgbouncer: Program | None = None
    services: dict[int, Process] = field(default_factory=dict)
    """By their ports."""
    logs: list[Path] = field(default_factory=list)
    """Of every instance that there has been."""

    @property
    def instances(self) -> list[int]:
        """The ports of the two instances that know both nodes."""
        return [self.site.ports["8001"], self.site.ports["8002"]]

    @property
    def haproxy(self) -> int:
        """The port of HAProxy before them."""
        return self.site.ports["8081"]

    @property
    def nginx(self) -> int:
        """The port of nginx before them."""
        return self.site.ports["8080"]

    def url(self, *ports: int) -> str:
        """The database behind these ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{NAME}:{self.site.passwords[NAME]}@{hosts}/{NAME}"

    def load(self, *ports: int) -> Load:
        """Visitors of these ports."""
        return Load(list(ports), EMAILS, Forge(key_file.load(self.keys_file).active))

    def environment(self, url: str, **settings: object) -> dict[str, str]:
        """The environment of an instance with the database at this URL."""
        # all visitors come from one address, and some try what must not work
        throttle = {"throttle_account_failures": 100, "throttle_address_failures": 1_000_000}
        return environment_of(
            url, self.keys_file, drain_seconds=3, log_format="json", trusted_proxies="127.0.0.1",
            refresh_grace=GRACE, db_pool_size=16, **throttle, **settings,
        )  # fmt: skip

    async def serve(self, port: int = 0, url: str | None = None, **settings: object) -> int:
        """Start an instance, on both nodes unless told otherwise; its port."""
        url = url or f"{self.url(*(node.port for node in self.cluster.nodes))}?target_session_attrs=read-write"
        log = self.site.directory / f"service-{time.monotonic_ns()}.log"
        self.logs.append(log)
        service = await self.exits.enter_async_context(
            serving(self.environment(url, **settings), log, "--port", str(port))
        )
        port = int(service.base_url.rpartition(":")[2])
        self.services[port] = service
        async with service.client() as client:
            await until(lambda: _is_ready(client), 30, f"{service.base_url} is not ready")
        return port

    async def restart(self, port: int) -> None:
        """As an upgrade does it: the instance ends in peace, another one starts in its place."""
        assert await self.services[port].terminate() == 0
        await self.serve(port)

    async def start_pgbouncer(self) -> None:
        """Start PgBouncer, or start it again."""
        self.pgbouncer = await self.site.start("pgbouncer", "pgbouncer", str(self.site.directory / "pgbouncer.ini"))
        await listening(self.site.ports["6501"], self.pgbouncer)

    async def stop_pgbouncer(self) -> None:
        """End it."""
        if self.pgbouncer is not None:
            await self.pgbouncer.stop()

    def thefts(self) -> int:
        """How many sessions have ended since their refresh token came twice."""
        return sum(log.read_text().count('"event": "theft"') for log in self.logs)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    """Everything but PgBouncer, which only some instances use."""
    site = Site(directory)
    site.copy("high-availability", directory)
    (directory / "userlist.txt").write_text(f'"{NAME}" "{site.passwords[NAME]}"\n')
    keys_file = directory / "keys.json"
    key_file.save(KeyRing.generate(), keys_file)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(started(site))
        exits = await stack.enter_async_context(AsyncExitStack())
        stage = Stage(site, cluster, keys_file, exits)
        stack.push_async_callback(stage.stop_pgbouncer)
        await _make_database(stage)
        for port in stage.instances:
            await stage.serve(port)
        haproxy = await stack.enter_async_context(running(site, "haproxy", "haproxy", "-db", "-f", "haproxy.cfg"))
        nginx = await stack.enter_async_context(
            running(
                site, "nginx", "nginx", "-p", f"{directory}/", "-e", "stderr", "-c", f"{directory}/nginx-alone.conf"
            )
        )
        await asyncio.gather(listening(stage.haproxy, haproxy), listening(stage.nginx, nginx))
        yield stage


async def _make_database(stage: Stage) -> None:
    primary = await stage.cluster.primary()
    administrator = f"postgresql://postgres:{stage.site.passwords['postgres']}@127.0.0.1:{primary.port}/postgres"
    connection = await asyncpg.connect(administrator)
    await connection.execute(f"CREATE ROLE {NAME} LOGIN PASSWORD '{stage.site.passwords[NAME]}'")
    await connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")
    await connection.close()
    url = stage.url(primary.port)
    assert (await run_apart(stage.environment(url), "migrate")).code == 0
    for email in EMAILS:
        await add_user(url, email)


@dataclass(frozen=True, slots=True)
class Row:
    """What a scenario did. Times are seconds."""

    scenario: str
    verdict: Verdict
    answered: int
    """How many requests of the time from the fault on were answered by 200 or 401."""
    unavailable: int
    """How many were answered by 503, or not at all."""
    logouts: int
    """How many logouts were acknowledged, so that each of them is to hold."""
    without_reads: float
    without_writes: float
    """The longest time between two that succeeded."""
    slowest: float
    thefts: int

    @classmethod
    def of(cls, scenario: str, load: Load, began: float, thefts: int) -> "Row":
        """What visitors saw from this time on."""
        seen = load.since(began)
        return cls(
            scenario, judge(load.operations, grace=GRACE),
            sum(done.outcome in ("ok", "refused") for done in seen),
            sum(done.outcome in ("unknown", "never") for done in seen),
            sum(done.kind == "logout" and done.outcome == "ok" for done in load.operations),
            _gap(load, READS, began), _gap(load, WRITES, began), load.slowest(began), thefts,
        )  # fmt: skip

    def cells(self) -> Iterator[str]:
        """The cells of its line, as HEAD names them."""
        yield self.scenario
        yield from (f"{self.answered:,}", f"{self.unavailable:,}", f"{self.logouts:,}")
        yield from (f"{seconds:.1f} s" for seconds in (self.without_reads, self.without_writes, self.slowest))
        wrong = (self.verdict.forgotten, self.verdict.wrongly_accepted, self.verdict.otherwise_wrong)
        yield from (str(len(found)) for found in wrong)
        yield str(self.thefts)


HEAD = (
    "what happened", "answered", "503", "logouts", "no reads for", "no writes for", "slowest answer", "forgotten",
    "wrongly accepted", "wrongly refused", "ended as theft",
)  # fmt: skip


def _gap(load: Load, kinds: tuple[str, ...], began: float) -> float:
    ends = sorted(done.ended for done in load.operations if done.outcome == "ok" and done.kind in kinds)
    last_before = max(bisect_right(ends, began) - 1, 0)
    return max((later - earlier for earlier, later in pairwise(ends[last_before:])), default=0.0)
