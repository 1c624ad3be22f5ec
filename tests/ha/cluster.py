"""Two PostgreSQL servers that Patroni leads, and etcd: what can be switched over, killed and frozen."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from faults.cluster import children
from ha.programs import Program, Site, end_postgresql, listening, postmaster_of

_START_SECONDS = 90.0


class Node:
    """A PostgreSQL server and its Patroni."""

    def __init__(self, site: Site, name: str, postgresql: str, api: str) -> None:
        self.name = name
        self.port = site.ports[postgresql]
        self.data = site.directory / name
        self.configuration = site.directory / f"{name}.yaml"
        self._site = site
        self._api = f"http://127.0.0.1:{site.ports[api]}"
        self._patroni: Program | None = None
        self._frozen: list[int] = []

    async def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        self._patroni = await self._site.start(self.name, "patroni", str(self.configuration))

    async def mend(self) -> None:
        """Let what was frozen go on, and start what was killed."""
        self.thaw()
        if self._patroni is None or self._patroni.process.returncode is not None:
            await self.start()

    async def stop(self) -> None:
        """Stop both, whatever state they are in."""
        self.thaw()
        if self._patroni is not None:
            await self._patroni.stop()
        await end_postgresql(self.data)

    def postgresql(self) -> list[int]:
        """The processes of the server, the one that starts all others first."""
        postmaster = postmaster_of(self.data)
        return [] if postmaster is None else [postmaster, *children(postmaster)]

    def kill_postgresql(self) -> None:
        """As by kill -9 of each process: Patroni finds its server gone."""
        _signal_all(self.postgresql(), signal.SIGKILL)

    async def kill(self) -> None:
        """As if the machine had gone: the server and its Patroni at once."""
        assert self._patroni is not None
        _signal_all([self._patroni.process.pid, *self.postgresql()], signal.SIGKILL)
        await self._patroni.process.wait()

    def freeze(self) -> None:
        """Every process stops where it is. The kernel still takes connections."""
        assert self._patroni is not None
        _signal_all([self._patroni.process.pid, *self.postgresql()[:1]], signal.SIGSTOP)  # now they start no others
        self._frozen = [self._patroni.process.pid, *self.postgresql()]
        _signal_all(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        """They go on."""
        _signal_all(self._frozen, signal.SIGCONT)
        self._frozen = []

    async def answers(self, path: str) -> bool:
        """Whether Patroni answers this question with yes."""
        return await self._ask(path) is not None

    async def roles(self) -> dict[str, str]:
        """The role of each node, as this one's Patroni knows them."""
        answer = await self._ask("/cluster")
        return {} if answer is None else {member["name"]: member["role"] for member in answer["members"]}

    async def _ask(self, path: str) -> Any:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            with suppress(httpx.TransportError):
                response = await client.get(f"{self._api}{path}")
                return response.json() if response.status_code == 200 else None
        return None


@dataclass
class Cluster:
    """The nodes, and the etcd that knows which of them is the primary."""

    site: Site
    nodes: list[Node]
    etcd: Program | None = None

    async def start_etcd(self) -> None:
        """Start it, or start it again."""
        self.etcd = await self.site.start("etcd", "etcd", "--config-file", str(self.site.directory / "etcd.yaml"))
        await listening(self.site.ports["12379"], self.etcd)

    async def stop_etcd(self) -> None:
        """End it."""
        if self.etcd is not None:
            await self.etcd.stop()

    async def primary(self, *, other_than: Node | None = None, seconds: float = _START_SECONDS) -> Node:
        """Wait for a primary."""
        found: list[Node] = []

        async def found_it() -> bool:
            found[:] = [node for node in self.nodes if node is not other_than and await node.answers("/primary")]
            return bool(found)

        await until(found_it, seconds, "there is no primary")
        return found[0]

    async def in_step(self, seconds: float = _START_SECONDS) -> tuple[Node, Node]:
        """Mend what earlier faults have left, and wait for a primary with a synchronous standby; give both."""
        both: list[Node] = []
        for node in self.nodes:
            await node.mend()

        async def complete() -> bool:
            primary = await self.primary(seconds=seconds)
            [standby] = [node for node in self.nodes if node is not primary]
            both[:] = [primary, standby]
            roles = await primary.roles()
            in_step = [roles.get(node.name) for node in both] == ["leader", "sync_standby"]
            return in_step and await standby.answers("/sync")

        await until(complete, seconds, "the standby is not synchronous")
        primary, standby = both
        return primary, standby

    async def dropped(self, standby: Node, seconds: float = _START_SECONDS) -> None:
        """Wait until the primary no longer waits for this standby."""
        primary = await self.primary(other_than=standby, seconds=seconds)

        async def alone() -> bool:
            roles = await primary.roles()
            return bool(roles) and "sync_standby" not in roles.values()

        await until(alone, seconds, "Patroni keeps the standby")

    async def control(self, command: str, *arguments: str) -> str:
        """Run patronictl."""
        configuration = str(self.nodes[0].configuration)
        return await self.site.run("patronictl", "-c", configuration, command, *arguments, "--force")


@asynccontextmanager
async def started(site: Site) -> AsyncIterator[Cluster]:
    """A primary with its synchronous standby, for as long as the block runs."""
    one = (site.directory / "patroni.yaml").read_text("utf-8")
    (site.directory / "one.yaml").write_text(one, "utf-8")
    (site.directory / "two.yaml").write_text(_for_the_other_node(one, site), "utf-8")
    site.hand_over()
    cluster = Cluster(site, [Node(site, "one", "5501", "8501"), Node(site, "two", "5502", "8502")])
    try:
        await cluster.start_etcd()
        await cluster.nodes[0].start()
        await cluster.primary()
        await cluster.in_step()
        yield cluster
    finally:
        await asyncio.gather(*(node.stop() for node in cluster.nodes))
        await cluster.stop_etcd()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, otherwise: str) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"{otherwise} after {seconds:.0f} s"
        await asyncio.sleep(0.2)


def _for_the_other_node(text: str, site: Site) -> str:
    """As the page does it with sed."""
    for ours, theirs in (("5501", "5502"), ("8501", "8502")):
        text = text.replace(str(site.ports[ours]), str(site.ports[theirs]))
    return text.replace("name: one", "name: two").replace("/one", "/two")


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
