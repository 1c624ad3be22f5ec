"""Faults that hold writes for longer than the grace: who only asks again is taken for no thief and for no guesser."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from faults.clients import Connection, Load
from faults.cluster import Server
from faults.stage import EMAILS, GRACE, WITHIN, Report, SetStage, Stage
from support.tokens import claims_of
from support.users import PASSWORD, add_user
from wutang_auth.database import Database, Statement
from wutang_auth.errors import DatabaseUnavailable

pytestmark = pytest.mark.no_cover  # servers in processes of their own

HELD_SECONDS = GRACE + 5
OURS = "FROM pg_stat_activity WHERE application_name = 'wutang-auth'"
CLIENTS = [f"client{number}@wutang.example" for number in range(14)]
READERS = [f"reader{number}@wutang.example" for number in range(4)]

Hold = Callable[[Server], AbstractAsyncContextManager[None]]
Measured = Callable[[str, object], None]


@asynccontextmanager
async def locked_rows(server: Server) -> AsyncIterator[None]:
    """Somebody holds the rows of all sessions."""
    connection = await asyncpg.connect(server.url())
    async with connection.transaction():
        await connection.execute("SELECT FROM sessions FOR UPDATE")
        yield
    await connection.close()


@asynccontextmanager
async def silent_standby(server: Server) -> AsyncIterator[None]:
    """Every commit waits for a synchronous standby that is not there."""
    await server.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
    await server.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    yield
    await server.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await server.execute("SELECT pg_reload_conf()")


HOLDS = pytest.mark.parametrize("hold", [locked_rows, silent_standby])


def audited(scene: Stage, event: str) -> int:
    """How many lines of the audit trail tell this event."""
    return sum(service.log.read_text().count(f'"event": "{event}"') for service in scene.services.values())


@dataclass
class Client:
    """Somebody with the right password, who asks once more whenever there was no answer or a 503."""

    scene: Stage
    email: str
    statuses: list[int] = field(default_factory=list)

    async def ask(self, method: str, path: str, **request: object) -> dict[str, str]:
        """The data of the answer, once there is one."""
        connection = Connection(self.scene.ports[len(self.statuses) % len(self.scene.ports)])
        try:
            while True:
                answer = await connection.call(method, path, **request)  # type: ignore[arg-type]
                self.statuses.append(answer.status)
                if answer.status != 503:
                    data: dict[str, str] = answer.document["data"]
                    return data
                await asyncio.sleep(0.1)
        finally:
            connection.close()

    async def log_in(self) -> dict[str, str]:
        return await self.ask("POST", "/api/auth/login", body={"email": self.email, "password": PASSWORD})

    async def refresh(self, pair: dict[str, str]) -> dict[str, str]:
        return await self.ask("PUT", "/api/auth/refresh", token=pair["refresh_token"])

    async def look(self, pair: dict[str, str]) -> dict[str, str]:
        return await self.ask("GET", "/api/auth/me", token=pair["access_token"])


@pytest.mark.long
@HOLDS
async def test_refresh_that_is_held_up_is_answered_afterwards(
    stage: SetStage, hold: Hold, record_property: Measured
) -> None:
    scene = await stage(direct=True)
    clients = [Client(scene, email) for email in EMAILS]
    pairs = [await client.log_in() for client in clients]
    async with hold(scene.primary):
        refreshes = [asyncio.create_task(client.refresh(pair)) for client, pair in zip(clients, pairs, strict=True)]
        await asyncio.sleep(HELD_SECONDS)
        assert not any(refresh.done() for refresh in refreshes)
    refreshed = await asyncio.gather(*refreshes)
    for client, pair in zip(clients, refreshed, strict=True):
        assert claims_of(pair["access_token"])["gen"] == 1
        assert (await client.look(pair))["email"] == client.email
        assert set(client.statuses) == {200, 503}
    assert audited(scene, "theft") == 0
    refused = sum(client.statuses.count(503) for client in clients)
    record_property("measured", f"{hold.__name__} for {HELD_SECONDS} s: 6 of 6 refreshes answered, {refused} × 503")


@pytest.mark.long
async def test_first_use_that_is_held_up_is_answered_afterwards(stage: SetStage) -> None:
    """It has to be noted before it is answered; until then the old tokens count."""
    scene = await stage(direct=True)
    client = Client(scene, EMAILS[0])
    old = await client.log_in()
    new = await client.refresh(old)
    async with locked_rows(scene.primary):
        first_use = asyncio.create_task(client.look(new))
        await asyncio.sleep(HELD_SECONDS)
        assert not first_use.done()
        assert (await client.look(old))["email"] == client.email
    assert (await first_use)["email"] == client.email
    # the abandoned ones never happened: the grace begins with the one that was answered
    assert (await client.look(old))["email"] == client.email
    assert claims_of((await client.refresh(old))["access_token"])["gen"] == 1
    assert audited(scene, "theft") == 0


@pytest.mark.long
async def test_synchronous_standby_frozen_for_longer_than_the_grace(stage: SetStage, report: Report) -> None:
    scene = await stage(with_standby=True, direct=True)
    assert scene.standby is not None
    async with scene.load() as load:
        await load.serve()
        scene.standby.freeze()
        begun = time.monotonic()
        await asyncio.sleep(HELD_SECONDS)
        scene.standby.thaw()
        recovered = await load.recover(time.monotonic())
    report("synchronous standby away for 15 s", load, recovered)
    assert load.slowest(begun) < WITHIN
    assert recovered < WITHIN
    assert _refused_refreshes_of_the_living(load) == []
    assert audited(scene, "theft") == 0


def _refused_refreshes_of_the_living(load: Load) -> list[str]:
    """Refreshes that were refused although nobody had asked to end their session."""
    ended = {done.session: done.begun for done in reversed(load.operations) if done.kind == "logout"}
    return [
        done.session
        for done in load.operations
        if done.kind == "refresh" and done.outcome == "refused" and done.session
        if done.ended < ended.get(done.session, done.ended + 1)
    ]


@dataclass
class Crowd:
    """How many connections the services have, watched for as long as it is asked."""

    server: Server
    most: int = 0
    waiting: str = ""
    """What those waited for when they were most."""

    async def watch(self, until: float) -> None:
        while time.monotonic() < until:
            events = f"SELECT coalesce(wait_event, 'nothing') AS event, count(*) AS n {OURS} GROUP BY 1"
            found = await self.server.fetchval(
                f"SELECT array_agg(ROW(n, event)::text ORDER BY n DESC) FROM ({events}) AS events"
            )
            count = await self.server.fetchval(f"SELECT count(*) {OURS}")
            if isinstance(count, int) and count > self.most:
                self.most, self.waiting = count, str(found)
            await asyncio.sleep(0.25)


@pytest.mark.long
async def test_clients_that_ask_again_leave_the_database_to_others(stage: SetStage, record_property: Measured) -> None:
    """14 of them, while commits are held for 30 s: they log in, refresh, and look who they are."""
    seconds, pool_size, of_counters = 30, 32, 4
    scene = await stage(
        db_pool_size=pool_size, direct=True, throttle_account_failures=10, throttle_address_failures=100
    )
    for email in [*CLIENTS, *READERS]:
        await add_user(scene.primary.url(), email)
    clients = [Client(scene, email) for email in CLIENTS]
    readers = [Client(scene, email) for email in READERS]
    reading = [(reader, await reader.log_in()) for reader in readers]
    visiting = [(client, await client.log_in(), turn) for turn, client in enumerate(clients)]
    until = time.monotonic() + seconds

    async def visit(client: Client, pair: dict[str, str], turn: int) -> None:
        while time.monotonic() < until:
            turn += 1
            pair = await client.log_in() if turn % 3 == 0 else await client.refresh(pair)
            await client.look(pair)

    async def read(reader: Client, pair: dict[str, str]) -> None:
        reader.statuses.clear()
        while time.monotonic() < until:
            connection = Connection(scene.ports[0])
            answer = await connection.call("GET", "/api/auth/me", token=pair["access_token"])
            reader.statuses.append(answer.status)
            connection.close()
            await asyncio.sleep(0.1)

    crowd = Crowd(scene.primary)
    async with silent_standby(scene.primary):
        tasks = [asyncio.create_task(visit(*each)) for each in visiting]
        tasks += [asyncio.create_task(read(*each)) for each in reading]
        await crowd.watch(until)
    await asyncio.gather(*tasks)
    statuses = [status for client in clients for status in client.statuses]
    reads = [status for reader in readers for status in reader.statuses]
    limit = 2 * (pool_size + of_counters)
    record_property(
        "measured",
        f"14 clients, commits held for {seconds} s: at most {crowd.most} connections of {limit}, {crowd.waiting};"
        f" {len(reads)} reads of others, {len(reads) - reads.count(200)} failed;"
        f" {statuses.count(503)} × 503, {statuses.count(429)} × 429, {audited(scene, 'theft')} thefts",
    )
    assert crowd.most < limit
    assert set(reads) == {200}
    assert set(statuses) == {200, 503}
    assert audited(scene, "theft") == 0


@pytest.mark.long
async def test_right_password_is_no_wrong_one_while_sessions_cannot_be_written(stage: SetStage) -> None:
    scene = await stage(direct=True, instances=1, throttle_account_failures=3, throttle_address_failures=5)
    client = Client(scene, EMAILS[0])
    holder = await asyncpg.connect(scene.primary.url())
    async with holder.transaction():
        await holder.execute("LOCK TABLE sessions IN SHARE MODE")
        login = asyncio.create_task(client.log_in())
        await asyncio.sleep(2 * HELD_SECONDS)
    await holder.close()
    await login
    assert set(client.statuses) == {200, 503}
    assert client.statuses.count(503) > 10


async def test_who_waits_for_a_lock_is_ended_and_who_waits_for_the_standby_is_not(stage: SetStage) -> None:
    """What was cut off: the one never happens, the other is a commit that others may see at any time."""
    scene = await stage(direct=True, instances=1, db_statement_timeout=0.5)
    clients = [Client(scene, email) for email in EMAILS[:2]]
    pairs = [await client.log_in() for client in clients]
    for hold, event, left in ((locked_rows, "transactionid", 0), (silent_standby, "SyncRep", 2)):
        async with hold(scene.primary):
            refreshes = [asyncio.create_task(client.refresh(pair)) for client, pair in zip(clients, pairs, strict=True)]
            waiting = f"SELECT count(*) {OURS} AND wait_event = '{event}'"
            await _until(scene.primary, waiting, 2)
            for refresh in refreshes:
                refresh.cancel()
            await asyncio.gather(*refreshes, return_exceptions=True)
            await asyncio.sleep(3)  # cut off after half a second, looked at each second
            assert await scene.primary.fetchval(waiting) == left
        await _until(scene.primary, waiting, 0)
    assert await scene.primary.fetchval("SELECT array_agg(generation) FROM sessions") == [1, 1]


async def test_one_of_all_reads_that_want_proof_of_the_primary_waits_for_the_standby(stage: SetStage) -> None:
    """The others wait for the first one, so that they leave PostgreSQL when they are cut off."""
    scene = await stage(instances=0)
    read = Statement("SELECT 1")
    database = Database(scene.primary.url(), max_silence=0, statement_timeout=0.5)
    await database.fetch(read)
    async with silent_standby(scene.primary):
        for _ in range(2):
            reads = await asyncio.gather(*(database.fetch(read) for _ in range(4)), return_exceptions=True)
            assert {type(answer) for answer in reads} == {DatabaseUnavailable}
        await _until(scene.primary, f"SELECT count(*) {OURS}", 1)
        assert await scene.primary.fetchval(f"SELECT count(*) {OURS} AND wait_event = 'SyncRep'") == 1
    await database.fetch(read)
    await database.close()


async def _until(server: Server, count: str, wanted: int) -> None:
    deadline = time.monotonic() + 10
    while await server.fetchval(count) != wanted:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
