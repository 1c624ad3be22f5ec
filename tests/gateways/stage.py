"""The service, a gateway and a protected service behind it, as tests handle them."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from faults.cluster import free_port
from gateways.orders import Orders
from gateways.programs import CONFIGURATIONS, KINDS, running
from gateways.wire import Answer, Headers, call
from support import commands
from support.database import query, temporary_database
from support.services import Process, environment_of, serving
from support.tokens import Forge
from support.users import Login, add_user, log_in
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

READER = "reader@wutang.example"
WRITER = "writer@wutang.example"
SCOPES = {READER: ["orders:read"], WRITER: ["orders:read", "orders:write"]}


@dataclass
class Service:
    """This service, which is stopped and started while gateways run."""

    environment: dict[str, str]
    keys_file: Path
    directory: Path
    user_ids: dict[str, int]
    port: int = field(default_factory=free_port)
    _runs: Iterator[int] = field(default_factory=count)
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def database_url(self) -> str:
        return self.environment["WUTANG_DATABASE_URL"]

    async def start(self) -> Process:
        log = self.directory / f"service-{next(self._runs)}.log"
        return await self._running.enter_async_context(serving(self.environment, log, "--port", str(self.port)))

    async def stop(self) -> None:
        await self._running.aclose()

    async def log_in(self, email: str = READER) -> Login:
        """A new session."""
        async with self._client() as client:
            login = await log_in(client, email)
        login.user_id = self.user_ids[email]
        return login

    async def key_ids(self) -> set[str]:
        """The ids of the keys that it publishes."""
        async with self._client() as client:
            keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
        return {key["kid"] for key in keys}

    async def rotate_keys(self) -> None:
        """Let the next key sign; it is made an hour older, so that it may. Keys of earlier rotations are dropped."""
        ring = long_known(key_file.load(self.keys_file))
        key_file.save(KeyRing(tuple(key for key in ring.keys if key.state != "retired")), self.keys_file)
        assert (await commands.run(self.environment, "keys", "rotate")).code == 0

    async def age_proofs(self) -> None:
        """Let it be an hour ago that anybody proved who it is."""
        await query(self.database_url, "UPDATE sessions SET authenticated_at = now() - interval '1 hour'")

    def forge(self) -> Forge:
        """A forge with the key that signs."""
        return Forge(key_file.load(self.keys_file).active)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=20)


def long_known(ring: KeyRing) -> KeyRing:
    """The ring as if its keys had been made an hour ago."""
    return KeyRing(tuple(replace(key, created_at=key.created_at - timedelta(hours=1)) for key in ring.keys))


@dataclass(frozen=True)
class Gateway:
    """A running gateway as its clients see it."""

    name: str
    port: int
    orders: Orders

    def call(self, method: str, target: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """One exchange through it."""
        return call(self.port, method, target, headers, body)

    def refused(self, method: str, target: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """One exchange through it that must not reach the protected service."""
        before = self.orders.requests
        answer = self.call(method, target, headers, body)
        assert self.orders.requests == before
        return answer

    def passed(self, method: str, target: str, headers: Headers = (), body: bytes | None = None) -> dict[str, Any]:
        """What reached the protected service, where the headers are by their names in small letters."""
        answer = self.call(method, target, headers, body)
        assert answer.status == 200, answer
        seen: dict[str, Any] = answer.document
        seen["headers"] = {name.lower(): value for name, value in seen["headers"]}
        return seen


@asynccontextmanager
async def started_service(directory: Path) -> AsyncIterator[Service]:
    """The service with two users, of whom one may write."""
    keys_file = directory / "keys.json"
    key_file.save(long_known(KeyRing.generate()), keys_file)
    async with temporary_database() as url:
        users = {email: await add_user(url, email, scopes=scopes) for email, scopes in SCOPES.items()}
        environment = environment_of(url, keys_file, trusted_proxies="127.0.0.1")
        service = Service(environment, keys_file, directory, {email: user.id for email, user in users.items()})
        await service.start()
        yield service
        await service.stop()


@contextmanager
def started_gateway(name: str, service: Service, protected: Orders, directory: Path) -> Iterator[Gateway]:
    """A gateway between its clients and these two."""
    if name == "haproxy-offline":
        script = CONFIGURATIONS / "haproxy" / "keys.py"
        subprocess.run([sys.executable, script, f"http://127.0.0.1:{service.port}", str(directory)], check=True)
    ports = {"8080": free_port(), "8000": service.port, "9000": protected.port}
    with running(KINDS[name], directory, ports):
        while call(ports["8080"], "GET", "/").status != 401:  # not yet: its routes come after its port
            time.sleep(0.05)
        yield Gateway(name, ports["8080"], protected)
