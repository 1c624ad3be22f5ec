"""What the faults rest on: how connections are chosen, limited and given up."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from faults.cluster import Server
from faults.proxy import Proxy
from faults.stage import SetStage
from wutang_auth.context import RequestBudget, RequestContext, request_context
from wutang_auth.database import Database, Statement
from wutang_auth.database.hosts import of_each_host
from wutang_auth.errors import DatabaseUnavailable

ONE = Statement("SELECT 1")
PORT = Statement("SELECT current_setting('port')::int AS port")
SLEEP = Statement("SELECT pg_sleep($seconds)")
RUNNING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE '%pg_sleep%' AND datname = current_database() AND pid != pg_backend_pid()
"""


async def running(url: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(RUNNING)
    finally:
        await connection.close()


async def cut_connections(server: Server) -> None:
    """The server ends every connection of a service, which the other end has heard when this returns."""
    ours = "pg_stat_activity WHERE application_name = 'wutang-auth'"
    await server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM {ours}")
    await asyncio.sleep(0.2)


async def test_statement_at_its_limit_is_cut_off_and_not_cancelled(database_url: str) -> None:
    """A cancelled COMMIT that waits for its synchronous standby would become visible."""
    database = Database(database_url, statement_timeout=0.2)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch(SLEEP, seconds=3)
    await asyncio.sleep(0.3)
    assert await running(database_url) == 1
    await database.close()


async def test_statement_of_a_cancelled_request_is_not_cancelled(database_url: str) -> None:
    database = Database(database_url, statement_timeout=10)
    await database.fetch(ONE)
    request = asyncio.create_task(database.fetch(SLEEP, seconds=3))
    await asyncio.sleep(0.2)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.sleep(0.3)
    assert await running(database_url) == 1
    await database.close()


async def test_request_waits_for_the_database_so_long_and_no_longer(database_url: str) -> None:
    database = Database(database_url, statement_timeout=10)
    request_context.set(RequestContext(budget=RequestBudget(1.0)))
    begun = time.monotonic()
    await database.fetch(SLEEP, seconds=0.6)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch(SLEEP, seconds=5)
    assert time.monotonic() - begun < 4
    request_context.set(RequestContext())
    await database.fetch(ONE)
    await database.close()


async def test_silent_host_keeps_nobody_from_the_next(stage: SetStage) -> None:
    scene = await stage(instances=0)
    async with Proxy(scene.primary.port) as silent:
        silent.swallow()
        host = f"127.0.0.1:{scene.primary.port}"
        url = scene.primary.url().replace(host, f"127.0.0.1:{silent.port},{host}")
        database = Database(url, size=4, connect_timeout=5)
        await asyncio.gather(*(database.fetch(ONE) for _ in range(4)))
        # and it comes last from now on, so that it is not even asked
        asked = silent.taken
        await cut_connections(scene.primary)
        await database.fetch(ONE)
        assert silent.taken == asked
        await database.close()


async def test_no_connection_is_kept_on_a_server_that_only_reads(stage: SetStage) -> None:
    scene = await stage(instances=0)
    database = Database(scene.primary.url())
    await database.fetch(ONE)
    await scene.primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await scene.primary.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.5)
    for _ in range(2):  # a connection from before; a new one
        with pytest.raises(DatabaseUnavailable):
            await database.fetch(ONE)
    await scene.primary.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await scene.primary.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.5)
    await database.fetch(ONE)
    await database.close()


async def test_primary_that_was_frozen_while_its_standby_took_over_is_not_believed(stage: SetStage) -> None:
    scene = await stage(instances=0, with_standby=True)
    old, new = scene.primary, scene.standby
    assert new is not None
    urls = old.url(), old.url().replace(f":{old.port}/", f":{old.port},127.0.0.1:{new.port}/")
    knows_one, knows_both = (Database(url, max_silence=0.5, statement_timeout=1.0) for url in urls)
    for database in (knows_one, knows_both):
        assert [row["port"] for row in await database.fetch(PORT)] == [old.port]
    old.freeze()
    await new.promote()
    await asyncio.sleep(0.5)
    old.thaw()
    for _ in range(3):  # on a connection from before; on new ones
        with pytest.raises(DatabaseUnavailable):
            await knows_one.fetch(ONE)
    with pytest.raises(DatabaseUnavailable):
        await knows_both.fetch(ONE)
    assert [row["port"] for row in await knows_both.fetch(PORT)] == [new.port]
    for database in (knows_one, knows_both):
        await database.close()


async def test_connections_that_the_server_has_left_are_shared(stage: SetStage) -> None:
    scene = await stage(instances=0, postgres={"max_connections": "12"})
    others = [await asyncpg.connect(scene.primary.url()) for _ in range(10)]
    database = Database(scene.primary.url(), size=8, pool_timeout=10)
    await database.fetch(ONE)
    await asyncio.gather(*(database.fetch(SLEEP, seconds=0.05) for _ in range(20)))
    for other in others:
        await other.close()
    await database.close()


@pytest.mark.parametrize(
    ("refusal", "name", "refusals"),
    [
        # PgBouncer names what it refuses; another pooler may not
        (b"C08P01\0Munsupported startup parameter: synchronous_commit", b"synchronous_commit", 1),
        (b"C08P01\0Mno such thing here", b"client_connection_check_interval", 1),
        # PostgreSQL 13; a platform that cannot look for the end of a connection
        (
            b'C42704\0Munrecognized configuration parameter "client_connection_check_interval"',
            b"client_connection_check_interval",
            1,
        ),
        (
            b'C22023\0Minvalid value for parameter "client_connection_check_interval": 1000',
            b"client_connection_check_interval",
            1,
        ),
    ],
)
async def test_server_that_refuses_settings_is_connected_without_them(
    stage: SetStage, refusal: bytes, name: bytes, refusals: int
) -> None:
    scene = await stage(instances=0)
    refused = 0

    async def pool(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        startup = b""
        while b"user" not in startup:
            if startup:
                writer.write(b"N")  # no TLS
            size = await reader.readexactly(4)
            startup = size + await reader.readexactly(int.from_bytes(size) - 4)
        if name in startup:
            refused += 1
            fields = b"SFATAL\0" + refusal + b"\0\0"
            writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", scene.primary.port)
        far_writer.write(startup)
        await asyncio.wait(
            [asyncio.ensure_future(copy(reader, far_writer)), asyncio.ensure_future(copy(far_reader, writer))]
        )

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async with await asyncio.start_server(pool, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = scene.primary.url().replace(f":{scene.primary.port}/", f":{port}/")
        database = Database(url, server_settings={"synchronous_commit": "off"})
        await database.fetch(ONE)
        assert refused == refusals
        refused = 0
        await asyncio.gather(*(database.fetch(ONE) for _ in range(4)))
        settings = Statement("SELECT current_setting($name) AS value, 1")
        kept = [
            (await database.fetch(settings, name=setting))[0]["value"]
            for setting in ("synchronous_commit", "client_connection_check_interval")
        ]
        if b"no such" in refusal:
            assert kept == ["on", "0"]
        else:
            assert kept == (["on", "1s"] if name == b"synchronous_commit" else ["off", "0"])
        await cut_connections(scene.primary)
        await database.fetch(ONE)
        assert refused == 0
        await database.close()


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://u:p@h/d?a=b", ["postgresql://u:p@h/d?a=b"]),
        ("postgresql://u:p@h1,h2:2/d?a=b", ["postgresql://u:p@h1/d?a=b", "postgresql://u:p@h2:2/d?a=b"]),
        (
            "postgres:///d?host=[::1],[::2]&port=1,2",
            ["postgres:///d?host=%5B%3A%3A1%5D&port=1", "postgres:///d?host=%5B%3A%3A2%5D&port=2"],
        ),
        ("postgresql:///d", ["postgresql:///d"]),
        ("postgresql://u@/d?host=/a/b&port=1", ["postgresql://u@/d?host=/a/b&port=1"]),
        (
            "postgresql://u@/d?host=h1,/run/pg&port=1,2",
            ["postgresql://u@/d?host=h1&port=1", "postgresql://u@/d?host=%2Frun%2Fpg&port=2"],
        ),
        ("postgresql:///?host=h1,h2&port=1", ["postgresql:///?host=h1&port=1", "postgresql:///?host=h2&port=1"]),
        ("postgresql:///?host=h1,h2", ["postgresql:///?host=h1", "postgresql:///?host=h2"]),
    ],
)
def test_url_of_several_hosts_is_one_for_each(url: str, each: list[str]) -> None:
    assert of_each_host(url) == each
