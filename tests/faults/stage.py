"""Two services before one database, or before a primary with its standby: where faults happen."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from faults.clients import Connection, Load, Lost, Refused
from faults.cluster import Server, free_port
from faults.proxy import Proxy
from support.services import Process, serving
from support.tokens import Forge
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

EMAILS = [f"visitor{number}@wutang.example" for number in range(6)]
GRACE = 10
GONE_WITHIN = 2.0
"""Seconds in which a request is answered when the database is gone."""
WITHIN = 5.0
"""Seconds in which a request is answered in every fault, and in which the service recovers from it."""

SetStage = Callable[..., Awaitable["Stage"]]
Report = Callable[..., None]


@dataclass
class Stage:
    """What a fault happens to."""

    primary: Server
    network: Proxy
    """Between the services and the primary, unless they are connected directly."""
    environment: dict[str, str]
    keys_file: Path
    directory: Path
    exits: AsyncExitStack
    standby: Server | None = None
    workers: int = 1
    """Of all services together."""
    ports: list[int] = field(default_factory=list)
    services: dict[int, Process] = field(default_factory=dict)
    """By their ports."""

    def load(self, ports: list[int] | None = None) -> Load:
        """Visitors of the services, or of proxies before them."""
        return Load(ports or self.ports, EMAILS, Forge(key_file.load(self.keys_file).active))

    async def serve(self, port: int, workers: int = 1) -> None:
        """Start a service, once nobody else listens there."""
        while await listens(port):  # noqa: ASYNC110 -- the event is in another process
            await asyncio.sleep(0.02)
        log = self.directory / f"service-{port}-{time.monotonic_ns()}.log"
        arguments = ("--port", str(port), "--workers", str(workers))
        self.services[port] = await self.exits.enter_async_context(serving(self.environment, log, *arguments))
        while log.read_text().count("Application startup complete") < workers:  # noqa: ASYNC110 -- likewise
            await asyncio.sleep(0.02)

    async def probe(self, instance: int, path: str) -> tuple[int, float]:
        """The status of a request on a connection of its own (0: no answer), and how long it took."""
        connection = Connection(self.ports[instance])
        begun = time.monotonic()
        try:
            status = (await connection.call("GET", path)).status
        except (Lost, Refused):
            status = 0
        finally:
            connection.close()
        return status, time.monotonic() - begun

    async def assert_gone(self, within: float) -> None:
        """Each instance says that it lives and cannot serve."""
        for instance in range(len(self.ports)):
            (ready, seconds), (health, _) = await asyncio.gather(
                self.probe(instance, "/readyz"), self.probe(instance, "/healthz")
            )
            assert (ready, health) == (503, 200)
            assert seconds < within

    async def command(self, *arguments: str) -> None:
        """Run `wutang-auth` with these arguments."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from wutang_auth.cli import main; main()", *arguments,
            env=self.environment, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() == 0


@asynccontextmanager
async def staged(
    template: Server,
    directory: Path,
    *,
    instances: int = 2,
    workers: int = 1,
    with_standby: bool = False,
    direct: bool = False,
    postgres: dict[str, str] = {},  # noqa: B006 -- never changed
    **settings: object,
) -> AsyncIterator[Stage]:
    """Services on a copy of the template. `direct` is without the proxy; settings are the service's."""
    keys_file = directory / "keys.json"
    key_file.save(_long_known(KeyRing.generate()), keys_file)
    primary = template.copied(directory / "primary", **postgres)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(primary.stop)
        await primary.start()
        network = await stack.enter_async_context(Proxy(primary.port))
        hosts = f"127.0.0.1:{primary.port if direct else network.port}"
        standby = None
        if with_standby:
            standby = await primary.clone(directory / "standby")
            stack.push_async_callback(standby.stop)
            await primary.replicate_synchronously()
            hosts += f",127.0.0.1:{standby.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WUTANG_")}
        environment = {
            **inherited,
            "WUTANG_DATABASE_URL": f"postgresql://wutang:{primary.password}@{hosts}/wutang",
            "WUTANG_KEYS_FILE": str(keys_file),
            "WUTANG_DRAIN_SECONDS": "0",
            "WUTANG_DB_POOL_SIZE": "8",
            "WUTANG_REFRESH_GRACE": str(GRACE),
            # all visitors come from one address, and a login of unknown outcome counts as a failure
            "WUTANG_THROTTLE_ACCOUNT_FAILURES": "100",
            "WUTANG_THROTTLE_ADDRESS_FAILURES": "1000000",
            "WUTANG_LOG_FORMAT": "json",
            **{f"WUTANG_{name.upper()}": str(value) for name, value in settings.items()},
        }
        exits = await stack.enter_async_context(AsyncExitStack())
        stage = Stage(primary, network, environment, keys_file, directory, exits, standby, instances * workers)
        stage.ports = [free_port() for _ in range(instances)]
        await asyncio.gather(*(stage.serve(port, workers) for port in stage.ports))
        yield stage


def _long_known(ring: KeyRing) -> KeyRing:
    """The ring as if its keys had been made an hour ago, so that it can be rotated at once."""
    return KeyRing(tuple(replace(key, created_at=key.created_at - timedelta(hours=1)) for key in ring.keys))


async def listens(port: int) -> bool:
    """Whether somebody does, at this port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
