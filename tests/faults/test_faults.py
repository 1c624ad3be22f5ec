"""Faults that every run of the tests looks at. test_more_faults.py has the others, for `make faults`."""

import asyncio
import json
import time

import pytest

from faults.clients import Connection
from faults.stage import EMAILS, GONE_WITHIN, WITHIN, Report, SetStage, Stage
from support.users import PASSWORD
from wutang_auth.service.throttle import attempt_keys
from wutang_auth.tokens import key_file

pytestmark = pytest.mark.no_cover  # servers in processes of their own


async def test_database_killed(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    async with scene.load() as load:
        await load.serve()
        await scene.primary.kill()
        begun = time.monotonic()
        await scene.assert_gone(within=GONE_WITHIN)
        await asyncio.sleep(1)
        assert load.slowest(begun) < GONE_WITHIN
        await scene.primary.start()
        recovered = await load.recover(time.monotonic())
    report("database killed (kill -9) and restarted", load, recovered)
    assert recovered < WITHIN


async def test_black_hole(stage: SetStage, report: Report) -> None:
    scene = await stage()
    async with scene.load() as load:
        await load.serve()
        scene.network.swallow()
        begun = time.monotonic()
        await scene.assert_gone(within=WITHIN)
        await asyncio.sleep(1)
        scene.network.heal()
        recovered = await load.recover(time.monotonic())
    report("black hole: all is swallowed, no RST", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_sigterm_drains(stage: SetStage, report: Report, workers: int) -> None:
    scene = await stage(workers=workers, drain_seconds=1)
    async with scene.load() as load:
        await load.serve()
        leaving = scene.services[scene.ports[0]]
        under_way = [await _HalfSent.begin(scene.ports[0]) for _ in range(4)]
        end = asyncio.create_task(leaving.terminate())
        seen: list[int] = []
        while not seen or seen[-1] != 0:
            seen.append((await scene.probe(0, "/readyz"))[0])
            await asyncio.sleep(0.02)
        # not ready first, while it still takes connections; then it takes none
        assert seen[-2] == 503
        assert not end.done()
        assert [await request.finish() for request in under_way] == [200] * 4
        assert await end == 0
        begun = time.monotonic()
        await load.until(lambda: len(load.since(begun)) > 50, 10)
    report(f"SIGTERM under load, {workers} worker{'s' * (workers > 1)}", load)
    assert {done.outcome for done in load.operations} == {"ok", "refused"}


async def test_keys_rotate(stage: SetStage, report: Report) -> None:
    scene = await stage(instances=1, workers=2)
    async with scene.load() as load:
        await load.serve()
        await break_key_file(scene)
        assert await rotate(scene) < WITHIN
        await load.serve()
    report("key file broken; keys rotated", load)
    assert {done.outcome for done in load.operations} == {"ok", "refused"}


async def test_burst_of_wrong_logins_is_counted_exactly_over_two_processes(stage: SetStage) -> None:
    """Timing decides nothing here, so nobody waits too long for a connection."""
    patient = {"db_pool_timeout": 30, "db_statement_timeout": 30, "db_request_timeout": 60}
    scene = await stage(throttle_account_failures=10, **patient)
    connections = [Connection(scene.ports[number % 2]) for number in range(200)]
    wrong = {"email": EMAILS[0], "password": "wrong"}
    begun = time.monotonic()
    answers = await asyncio.gather(
        *(connection.call("POST", "/api/auth/login", body=wrong, patience=60) for connection in connections)
    )
    seconds = time.monotonic() - begun
    for connection in connections:
        connection.close()
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {401, 429}
    account = attempt_keys(EMAILS[0], "127.0.0.1").account
    attempts = await scene.primary.fetchval("SELECT attempts FROM attempts WHERE key = $1", account)
    failures = await scene.primary.fetchval("SELECT failures FROM attempts WHERE key = $1", account)
    assert attempts == 200
    assert statuses.count(401) == failures
    # ten are free, the next come 1, 2, 4 … seconds after one another
    assert failures <= 10 + (seconds + 1).__floor__().bit_length()


class _HalfSent:
    """A login whose body is still under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._body = json.dumps({"email": EMAILS[0], "password": PASSWORD}).encode()
        head = (
            "POST /api/auth/login HTTP/1.1\r\nHost: wutang.test\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\n\r\n"
        )
        writer.write(head.encode() + self._body[:10])

    @classmethod
    async def begin(cls, port: int) -> "_HalfSent":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def finish(self) -> int:
        """Send the rest; the status of the answer."""
        self._writer.write(self._body[10:])
        answer = await asyncio.wait_for(self._reader.readuntil(b"\r\n"), 10)
        self._writer.close()
        return int(answer.split(b" ")[1])


async def rotate(scene: Stage) -> float:
    """Rotate the keys; the seconds until every worker follows."""
    await scene.command("keys", "rotate")
    begun = time.monotonic()
    fresh = next(key.kid for key in key_file.load(scene.keys_file).keys if key.state == "next")
    while True:
        connections = [Connection(port) for port in scene.ports for _ in range(8)]
        answers = await asyncio.gather(
            *(connection.call("GET", "/.well-known/jwks.json") for connection in connections)
        )
        for connection in connections:
            connection.close()
        if all(fresh.encode() in answer.body for answer in answers):
            return time.monotonic() - begun
        assert time.monotonic() - begun < 20
        await asyncio.sleep(0.1)


async def break_key_file(scene: Stage) -> None:
    """For a while there is no key ring in the file: each worker says so and goes on with the old one."""
    whole = scene.keys_file.read_bytes()
    said_before = _complaints(scene)
    scene.keys_file.write_bytes(whole[: len(whole) // 2])
    deadline = time.monotonic() + 20
    while _complaints(scene) < said_before + scene.workers:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    scene.keys_file.write_bytes(whole)


def _complaints(scene: Stage) -> int:
    return sum(service.log.read_text().count("the key ring in use stays") for service in scene.services.values())
