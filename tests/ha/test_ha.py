"""Patroni, etcd, PgBouncer, HAProxy and nginx lose parts under load; no logout is forgotten, nobody is logged out.

Times are printed, and never decide.
"""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from faults.stage import EMAILS
from ha.conftest import MEASURED, Report
from ha.stage import Stage
from support.http import success
from support.tokens import bearer
from support.users import PASSWORD, token_pair

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

AGAIN = 90.0
"""Seconds within which everything is served again, at the latest."""
ETCD_AWAY = 25.0
"""Seconds: Patroni without `failsafe_mode` demotes the primary within `ttl`, 30 s, less what it has used of that."""


# -- the database


async def test_switchover(stage: Stage, report: Report) -> None:
    await stage.cluster.in_step()
    async with stage.load(*stage.instances) as load:
        await load.serve()
        began = time.monotonic()
        await stage.cluster.control("switchover")
        await load.serve(AGAIN)
    report("switchover", load, began)


async def test_primary_killed(stage: Stage, report: Report) -> None:
    primary, _ = await stage.cluster.in_step()
    async with stage.load(*stage.instances) as load:
        await load.serve()
        began = time.monotonic()
        primary.kill_postgresql()
        await load.serve(AGAIN)
    report("`kill -9` of the primary; Patroni starts it again", load, began)


async def test_node_killed(stage: Stage, report: Report) -> None:
    primary, _ = await stage.cluster.in_step()
    async with stage.load(*stage.instances) as load:
        await load.serve()
        began = time.monotonic()
        await primary.kill()
        await stage.cluster.primary(other_than=primary)
        await load.serve(AGAIN)
    report("`kill -9` of the primary and its Patroni", load, began)


async def test_primary_frozen(stage: Stage, report: Report, record_property: Callable[[str, object], None]) -> None:
    """When the old primary goes on, nobody believes it any more, not even who knows no other."""
    primary, _ = await stage.cluster.in_step()
    old = await stage.serve(url=stage.url(primary.port))
    async with (
        stage.services[stage.instances[0]].client() as client,
        stage.services[old].client() as client_of_the_old,
        stage.load(*stage.instances) as load,
    ):
        login = token_pair(await client.post("/api/auth/login", json={"email": EMAILS[0], "password": PASSWORD}))
        await load.serve()
        began = time.monotonic()
        primary.freeze()
        await stage.cluster.primary(other_than=primary)
        await load.serve(AGAIN)
        success(await client.delete("/api/auth/logout", headers=login.headers))
        primary.thaw()
        asked = await _asked_for(12, client_of_the_old, login.access_token)
        await load.serve(AGAIN)
    report("primary and its Patroni frozen, then thawed", load, began)
    record_property(
        MEASURED,
        f"an instance that knew the old primary only, asked with a token that had ended: {len(asked)} × in 12 s",
    )
    assert set(asked) == {503}
    assert await stage.services[old].terminate() == 0


async def _asked_for(seconds: float, client: httpx.AsyncClient, token: str) -> list[int]:
    """The statuses of `me` with a token, asked again and again."""
    ends_at = time.monotonic() + seconds
    statuses = []
    while time.monotonic() < ends_at:
        statuses.append((await client.get("/api/auth/me", headers=bearer(token))).status_code)
        await asyncio.sleep(0.1)
    return statuses


async def test_standby_frozen(stage: Stage, report: Report) -> None:
    """Writes wait for it until Patroni drops it, and all visitors come to one; reads go on."""
    _, standby = await stage.cluster.in_step()
    async with stage.services[stage.instances[0]].client() as client, stage.load(*stage.instances) as load:
        login = token_pair(await client.post("/api/auth/login", json={"email": EMAILS[0], "password": PASSWORD}))
        await load.serve()
        began = time.monotonic()
        standby.freeze()
        asked = await _asked_for(12, client, login.access_token)
        await stage.cluster.dropped(standby)
        await load.serve(AGAIN)
    report("synchronous standby and its Patroni frozen", load, began)
    assert asked.count(200) > 0.9 * len(asked)


@pytest.mark.parametrize("failsafe_mode", [True, False])
async def test_etcd_away(stage: Stage, report: Report, *, failsafe_mode: bool) -> None:
    await stage.cluster.in_step()
    if not failsafe_mode:
        await stage.cluster.control("edit-config", "--set", "failsafe_mode=false", "--quiet")
        await asyncio.sleep(15)  # more than `loop_wait`: each Patroni reads it once a loop
    async with stage.load(*stage.instances) as load:
        await load.serve()
        began = time.monotonic()
        await stage.cluster.stop_etcd()
        await asyncio.sleep(ETCD_AWAY)
        await stage.cluster.start_etcd()
        await stage.cluster.primary()
        await load.serve(AGAIN)
    named = "" if failsafe_mode else ", without `failsafe_mode`"
    report(f"etcd away for {ETCD_AWAY:.0f} s{named}", load, began)
    await stage.cluster.control("edit-config", "--set", "failsafe_mode=true", "--quiet")


# -- the instances


@pytest.mark.parametrize("proxy", ["HAProxy", "nginx"])
async def test_rolling_restart(stage: Stage, report: Report, proxy: str) -> None:
    await stage.cluster.in_step()
    async with stage.load({"HAProxy": stage.haproxy, "nginx": stage.nginx}[proxy]) as load:
        await load.serve()
        began = time.monotonic()
        for port in [*stage.instances, *stage.instances]:
            await stage.restart(port)
            await asyncio.sleep(2)  # HAProxy looks once a second
        await load.serve()
    report(f"each instance restarted twice, behind {proxy}", load, began)
    assert {done.outcome for done in load.operations} == {"ok", "refused"}


async def test_database_away_behind_haproxy(stage: Stage, report: Report) -> None:
    """Every answer is in the envelope, those of HAProxy too."""
    primary, _ = await stage.cluster.in_step()
    async with stage.load(stage.haproxy) as load:
        await load.serve()
        began = time.monotonic()
        primary.kill_postgresql()
        await load.serve(AGAIN)
    report("`kill -9` of the primary, behind HAProxy", load, began)


# -- PgBouncer


async def test_pgbouncer(stage: Stage, report: Report) -> None:
    primary, _ = await stage.cluster.in_step()
    await stage.start_pgbouncer()
    url = stage.url(stage.site.ports["6501"])
    pooled = [await stage.serve(url=url, db_prepared_statements="false") for _ in range(2)]
    async with stage.load(*pooled) as load:
        await load.serve()
        began = time.monotonic()
        await stage.stop_pgbouncer()
        await stage.start_pgbouncer()
        await load.serve(AGAIN)
    report("PgBouncer restarted", load, began)
    async with stage.load(*pooled) as load:
        await load.serve()
        began = time.monotonic()
        await stage.cluster.control("restart", "wutang", primary.name)
        await load.serve(AGAIN)
    report("PostgreSQL restarted behind PgBouncer and HAProxy", load, began)
    async with stage.load(*pooled) as load:
        await load.serve()
        began = time.monotonic()
        await stage.cluster.control("switchover")
        await load.serve(AGAIN)
    report("switchover behind PgBouncer and HAProxy", load, began)
