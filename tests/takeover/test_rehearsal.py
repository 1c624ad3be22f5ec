"""The switch from Laravel to this service, back, and forward again, under load: nobody is logged out."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import bcrypt
import pytest

from support.commands import run_apart
from support.legacy import SECRET
from support.services import serving
from takeover.clients import PASSWORD, Client, Crowd
from takeover.gateway import Gateway
from takeover.programs import PASSWORD as DATABASE_PASSWORD
from takeover.programs import MariaDb, free_port, running

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CLIENTS = 50
SECONDS = float(os.environ.get("TAKEOVER_SECONDS", "60"))
"""How long each side serves."""
TOKEN_TTL = 30


@asynccontextmanager
async def laravel(shop: MariaDb, directory: Path) -> AsyncIterator[int]:
    """The port of the stand-in, for as long as the block runs."""
    port = free_port()
    environment = os.environ | {
        "JWT_SECRET": SECRET, "JWT_TTL_SECONDS": str(TOKEN_TTL),
        "DB_PORT": str(shop.port), "DB_PASSWORD": DATABASE_PASSWORD,
    }  # fmt: skip
    program = Path(__file__).with_name("laravel.py")
    async with running(sys.executable, program, port, log=directory / "laravel.log", environment=environment):
        for _ in range(300):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                break
        yield port


def settings_of_the_takeover() -> dict[str, str]:
    """As docs/coming-from-laravel.md has them; tokens live shorter, so that more happens in a minute."""
    until = datetime.now(UTC) + timedelta(days=30)
    return {
        "WUTANG_LEGACY_SECRET": SECRET, "WUTANG_LEGACY_UNTIL": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "WUTANG_LEGACY_MINT": "true", "WUTANG_RESPONSE_STYLE": "laravel", "WUTANG_ACCESS_TTL": str(TOKEN_TTL),
        "WUTANG_TRUSTED_PROXIES": "127.0.0.0/8",
    }  # fmt: skip


def add_users(shop: MariaDb) -> None:
    """One for each client."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
    rows = [(number, f"User {number}", f"user{number}@shop.example", hashed) for number in range(1, CLIENTS + 1)]
    shop.execute("INSERT INTO users (id, name, email, password) VALUES (%s, %s, %s, %s)", rows)


class Rehearsal:
    """Who plays."""

    def __init__(self, crowd: Crowd, gateway: Gateway, shop: MariaDb, environment: dict[str, str]) -> None:
        self.crowd = crowd
        self.gateway = gateway
        self.shop = shop
        self.environment = environment
        self.rows: list[str] = []

    async def bring(self, what: str) -> None:
        """`takeover users` or `takeover revocations`."""
        began = time.monotonic()
        outcome = await run_apart(self.environment, "takeover", what, "--from", self.shop.url)
        assert (outcome.code, outcome.stderr) == (0, ""), outcome
        if what == "revocations":
            self.crowd.imported_at = began

    async def forward(self) -> None:
        """As the page says: bring, switch, bring what was revoked meanwhile."""
        await self.bring("users")
        await self.bring("revocations")
        await self._switch("wutang")
        await self.bring("revocations")

    async def back(self) -> None:
        """Only the gateway's other way."""
        await self._switch("laravel")

    async def _switch(self, side: str) -> None:
        await self.gateway.switch(side)
        self.crowd.side, self.crowd.switched_at = side, time.monotonic()

    async def play(self, act: str, seconds: float) -> None:
        """Let the clients go on and write a line of the table."""
        crowd = self.crowd
        before = (crowd.requests, len(crowd.logged_out), len(crowd.accepted), crowd.lost, crowd.probes)
        await asyncio.sleep(seconds)
        after = (crowd.requests, len(crowd.logged_out), len(crowd.accepted), crowd.lost, crowd.probes)
        counts = [later - earlier for earlier, later in zip(before, after, strict=True)]
        self.rows.append(f"{act:<22}" + "".join(f"{count:>12,}" for count in counts))

    def tell(self) -> None:
        """Print what happened."""
        crowd = self.crowd
        head = ("requests", "logged out", "accepted", "lost", "probes")
        print(f"\n{'':<22}" + "".join(f"{name:>12}" for name in head), *self.rows, sep="\n")
        print(f"refreshes {dict(crowd.refreshes)}, logouts {crowd.logouts}, lost answers {crowd.lost}")
        print(f"other answers by side and status: {dict(sorted(crowd.statuses.items()))}")
        print(f"logged out: {len(crowd.logged_out)}; revoked tokens accepted: {len(crowd.accepted)}")


async def test_nobody_is_logged_out_on_the_way_and_back(
    shop: MariaDb, directory: Path, environment: dict[str, str]
) -> None:
    add_users(shop)
    place = Path(mkdtemp(dir=directory))
    settings = environment | settings_of_the_takeover()
    async with AsyncExitStack() as stack:
        laravel_port = await stack.enter_async_context(laravel(shop, place))
        service = await stack.enter_async_context(serving(settings, place / "wutang.log"))
        wutang_port = int(service.base_url.rpartition(":")[2])
        gateway = await stack.enter_async_context(Gateway(place, laravel_port, wutang_port).running())
        crowd = Crowd(TOKEN_TTL)
        rehearsal = Rehearsal(crowd, gateway, shop, settings)
        await rehearsal.bring("users")
        base_url = f"http://127.0.0.1:{gateway.port}"
        clients = [asyncio.create_task(Client(crowd, base_url, number).run()) for number in range(1, CLIENTS + 1)]
        await rehearsal.play("on Laravel", SECONDS / 3)
        await rehearsal.forward()
        await rehearsal.play("here", SECONDS)
        await rehearsal.back()
        await rehearsal.play("back on Laravel", SECONDS)
        await rehearsal.forward()
        await rehearsal.play("here again", SECONDS)
        crowd.stopped = True
        await asyncio.gather(*clients)
        rehearsal.tell()
    assert crowd.logged_out == []
    assert crowd.accepted == []
    assert crowd.probes > 0
    assert not [status for status in crowd.statuses if status.endswith(("500", "401"))]
