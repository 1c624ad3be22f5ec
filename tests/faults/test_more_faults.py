"""Faults that take longer to look at: run by `make faults`."""

import asyncio
import os
import re
import signal
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import asyncpg
import pytest

from faults.clients import Connection
from faults.proxy import Proxy
from faults.stage import EMAILS, GONE_WITHIN, WITHIN, Report, SetStage
from faults.test_faults import break_key_file, rotate
from support.users import PASSWORD

pytestmark = pytest.mark.long

SERVICES_CONNECTIONS = "pg_stat_activity WHERE application_name = 'wutang-auth'"


# -- the database


async def test_database_frozen(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    async with scene.load() as load:
        await load.serve()
        scene.primary.freeze()
        begun = time.monotonic()
        await scene.assert_gone(within=WITHIN)
        await asyncio.sleep(2)
        scene.primary.thaw()
        recovered = await load.recover(time.monotonic())
    report("database frozen (SIGSTOP)", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_database_restarted(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    async with scene.load() as load:
        await load.serve()
        begun = time.monotonic()
        await scene.primary.restart()
        recovered = await load.recover(time.monotonic())
    report("database restarted (fast)", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_backends_terminated(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    async with scene.load() as load:
        await load.serve()
        for _ in range(5):
            await scene.primary.fetchval(f"SELECT count(pg_terminate_backend(pid)) FROM {SERVICES_CONNECTIONS}")
            await asyncio.sleep(0.4)
        recovered = await load.recover(time.monotonic())
    report("backends terminated, five times", load, recovered)
    assert recovered < WITHIN


async def test_backend_killed(stage: SetStage, report: Report) -> None:
    """PostgreSQL then ends all other backends and recovers by itself."""
    scene = await stage(direct=True)
    async with scene.load() as load:
        await load.serve()
        pid = await scene.primary.fetchval(f"SELECT pid FROM {SERVICES_CONNECTIONS} LIMIT 1")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        recovered = await load.recover(time.monotonic())
    report("one backend killed (kill -9)", load, recovered)
    assert recovered < WITHIN


async def test_connection_limit_reached(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True, postgres={"max_connections": "30"})
    async with scene.load() as load:
        await load.serve()
        begun = time.monotonic()
        others = [await asyncpg.connect(scene.primary.url())]
        while time.monotonic() < begun + 3:  # take every connection that the services lose
            await others[0].fetch(f"SELECT pg_terminate_backend(pid) FROM {SERVICES_CONNECTIONS}")
            try:
                while True:
                    others.append(await asyncpg.connect(scene.primary.url()))
            except asyncpg.TooManyConnectionsError:
                await asyncio.sleep(0.05)
        await scene.assert_gone(within=GONE_WITHIN)
        for other in others:
            other.terminate()
        recovered = await load.recover(time.monotonic())
    report("connection limit reached, all taken away", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_few_connections_left(stage: SetStage, report: Report) -> None:
    """No service gets one more than it has, and each makes do with those."""
    scene = await stage(direct=True, postgres={"max_connections": "30"})
    others = []
    async with scene.load() as load:
        await load.serve()
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                others.append(await asyncpg.connect(scene.primary.url()))
        begun = time.monotonic()
        await load.until(lambda: len(load.since(begun)) > 300, 20)
        served = [done.outcome for done in load.since(begun)]
    for other in others:
        other.terminate()
    report("connection limit reached, none to be had", load)
    assert served.count("unknown") < len(served) / 20


# -- the network


async def test_half_open_connections(stage: SetStage, report: Report) -> None:
    scene = await stage()
    async with scene.load() as load:
        await load.serve()
        scene.network.swallow()
        scene.network.cut_all()
        begun = time.monotonic()
        await scene.assert_gone(within=WITHIN)
        await asyncio.sleep(2)
        scene.network.heal()
        recovered = await load.recover(time.monotonic())
    report("half-open: connections taken, never answered", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_slow_network(stage: SetStage, report: Report) -> None:
    scene = await stage()
    async with scene.load() as load:
        await load.serve()
        begun = time.monotonic()
        scene.network.delay = 0.1
        await asyncio.sleep(4)
        scene.network.delay = 1.2
        await asyncio.sleep(4)
        scene.network.heal()
        recovered = await load.recover(time.monotonic())
    report("slow network: 0.2 s, then 2.4 s a round trip", load, recovered)
    # the limit of a request, and what the hashing of a login takes beside it
    assert load.slowest(begun) < WITHIN + 1
    assert recovered < WITHIN


async def test_answers_of_the_database_cut(stage: SetStage, report: Report) -> None:
    scene = await stage()
    async with scene.load() as load:
        await load.serve()
        scene.network.cut_share = 0.1
        await asyncio.sleep(5)
        scene.network.heal()
        recovered = await load.recover(time.monotonic())
        assert scene.network.cuts > 0
    report("answers cut between database and service", load, recovered)
    assert recovered < WITHIN


async def test_answers_of_the_service_cut(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy(port)) for port in scene.ports]
        async with scene.load([proxy.port for proxy in proxies]) as load:
            await load.serve()
            for proxy in proxies:
                proxy.cut_share = 0.2
            await asyncio.sleep(5)
            for proxy in proxies:
                proxy.heal()
            recovered = await load.recover(time.monotonic())
            assert sum(proxy.cuts for proxy in proxies) > 0
    report("answers cut between service and client", load, recovered)
    assert recovered < WITHIN


# -- the service


@pytest.mark.parametrize("workers", [1, 2])
async def test_service_killed(stage: SetStage, report: Report, workers: int) -> None:
    scene = await stage(direct=True, workers=workers)
    async with scene.load() as load:
        await load.serve()
        for port in scene.ports:
            killed = scene.services[port]
            killed.kill()
            await killed.process.wait()
            await scene.serve(port, workers)
        load.closing.clear()
        recovered = await load.recover(time.monotonic())
    report(f"service killed (kill -9), {workers} worker{'s' * (workers > 1)}, and restarted", load, recovered)
    assert recovered < WITHIN


async def test_worker_killed(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True, instances=1, workers=2)
    async with scene.load() as load:
        await load.serve()
        log = scene.services[scene.ports[0]].log
        first, _ = _started_workers(log)
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        await load.until(lambda: len(_started_workers(log)) == 3, 10)
        recovered = await load.recover(killed)
    report("one of two workers killed (kill -9)", load, recovered)
    assert recovered < WITHIN


async def test_service_started_without_database(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    await scene.primary.stop()
    for port in scene.ports:
        assert await scene.services[port].terminate() == 0
        await scene.serve(port)
    await scene.assert_gone(within=GONE_WITHIN)
    async with scene.load() as load:
        await asyncio.sleep(1)
        await scene.primary.start()
        recovered = await load.recover(time.monotonic())
    report("service started before the database", load, recovered)
    assert recovered < WITHIN


async def test_keys_rotate_under_load_for_a_minute(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True, instances=1, workers=2)
    async with scene.load() as load:
        await load.serve()
        begun = time.monotonic()
        for rotation in range(3):
            await break_key_file(scene)
            assert await rotate(scene) < WITHIN
            await asyncio.sleep(begun + 20 * (rotation + 1) - time.monotonic())
    report("keys rotated three times in 60 s, two workers", load)
    assert {done.outcome for done in load.operations} == {"ok", "refused"}


# -- two databases


async def test_failover_and_back(stage: SetStage, report: Report) -> None:
    scene = await stage(with_standby=True, direct=True)
    first, second = scene.primary, scene.standby
    assert second is not None
    async with scene.load() as load:
        await load.serve()
        await first.kill()
        await asyncio.sleep(1)
        await second.promote()
        recovered = await load.recover(time.monotonic())
    report("primary killed, standby promoted", load, recovered)
    assert recovered < WITHIN

    await first.follow(second)
    await second.replicate_synchronously()
    async with scene.load() as load:
        await load.serve()
        await second.kill()
        await first.promote()
        recovered = await load.recover(time.monotonic())
    report("and back to the old one, now its standby", load, recovered)
    assert recovered < WITHIN


async def test_failover_from_a_silent_primary(stage: SetStage, report: Report) -> None:
    """As when the power of its machine fails: nobody says that the connections are gone."""
    scene = await stage(with_standby=True)
    assert scene.standby is not None
    async with scene.load() as load:
        await load.serve()
        scene.network.swallow()
        await scene.primary.kill()
        begun = time.monotonic()
        await asyncio.sleep(1)
        await scene.standby.promote()
        recovered = await load.recover(time.monotonic())
    report("primary silent, standby promoted", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_primary_demoted(stage: SetStage, report: Report) -> None:
    """It stays up and would go on answering: what it reads becomes old."""
    scene = await stage(with_standby=True, direct=True)
    assert scene.standby is not None
    async with scene.load() as load:
        await load.serve()
        await scene.primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await scene.primary.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.5)
        await scene.standby.promote()
        recovered = await load.recover(time.monotonic())
        assert await scene.primary.fetchval(f"SELECT count(*) FROM {SERVICES_CONNECTIONS}") == 0
    report("primary made read-only, standby promoted", load, recovered)
    assert recovered < WITHIN


async def test_standby_away(stage: SetStage, report: Report) -> None:
    """Every commit waits for it."""
    scene = await stage(with_standby=True, direct=True)
    assert scene.standby is not None
    async with scene.load() as load:
        await load.serve()
        scene.standby.freeze()
        begun = time.monotonic()
        await asyncio.sleep(6)
        scene.standby.thaw()
        recovered = await load.recover(time.monotonic())
    report("synchronous standby away", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


async def test_log_out_that_is_not_replicated_is_not_told(stage: SetStage) -> None:
    scene = await stage(with_standby=True, direct=True, instances=1)
    assert scene.standby is not None
    connection = Connection(scene.ports[0])
    answer = await connection.call("POST", "/api/auth/login", body={"email": EMAILS[0], "password": PASSWORD})
    token = answer.document["data"]["access_token"]
    await scene.standby.kill()
    for _ in range(3):
        # neither 200 nor, to the second who asks, 401
        assert (await connection.call("DELETE", "/api/auth/logout", token=token)).status == 503
        assert (await connection.call("GET", "/api/auth/me", token=token)).status == 200
    await scene.primary.kill()
    await scene.standby.start()
    await scene.standby.promote()
    deadline = time.monotonic() + WITHIN
    while (status := (await connection.call("GET", "/api/auth/me", token=token)).status) == 503:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert status == 200
    assert (await connection.call("DELETE", "/api/auth/logout", token=token)).status == 200
    assert (await connection.call("GET", "/api/auth/me", token=token)).status == 401
    connection.close()


async def test_the_checker_sees_what_asynchronous_replication_forgets(stage: SetStage) -> None:
    """Not a promise of the service, but proof that the table's zeros mean something."""
    from faults.history import judge

    scene = await stage(with_standby=True, direct=True)
    assert scene.standby is not None
    await scene.primary.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
    await scene.primary.execute("SELECT pg_reload_conf()")
    async with scene.load() as load:
        await load.serve()
        await scene.standby.kill()
        await asyncio.sleep(1)
        await scene.primary.kill()
        await scene.standby.start()
        await scene.standby.promote()
        await load.recover(time.monotonic())
    assert judge(load.operations, grace=10).otherwise_wrong != []


def _started_workers(log: Path) -> list[int]:
    """The process ids that the workers tell when they start."""
    return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", log.read_text())]
