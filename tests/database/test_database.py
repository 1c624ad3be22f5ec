"""The database in trouble: 503 in good time, never 401 or 500, and recovery without a restart."""

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from support.database import (
    cut_connections,
    locked_sessions,
    query,
    read_only,
    temporary_database,
    unreachable,
)
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer
from support.users import PASSWORD, Login, add_and_log_in, add_user, token_pair
from wutang_auth.database import Database, Statement, migrations
from wutang_auth.errors import DatabaseUnavailable, EmailTaken
from wutang_auth.repository import UserRepository
from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens

NOW = Statement("SELECT now()")


async def every_flow(instance: Instance, login: Login) -> list[httpx.Response]:
    """One request of each kind that needs the database."""
    client = instance.client
    credentials = {"email": "ada@wutang.example", "password": PASSWORD}
    return [
        await client.get("/api/auth/me", headers=login.headers),
        await client.post("/api/auth/login", json=credentials),
        await client.put("/api/auth/refresh", headers=bearer(login.refresh_token)),
        await client.delete("/api/auth/logout", headers=login.headers),
        await client.get("/api/users", headers=login.headers),
    ]


def assert_unavailable(response: httpx.Response) -> None:
    assert assert_refused(response, 503, 50001) == {"code": 50001, "message": "操作失败", "data": None}
    assert int(response.headers["retry-after"]) >= 1


async def ready(instance: Instance) -> tuple[int, str | None]:
    response = await instance.client.get("/readyz")
    assert (await instance.client.get("/healthz")).status_code == 200
    return response.status_code, response.json().get("reason")


def genuine(settings: Settings) -> Login:
    """Tokens of a session that some other instance began."""
    pair = Tokens(settings, key_file.load(settings.keys_file)).issue(
        user_id=1, session_id=uuid4(), generation=0, scopes=[], session_lifetime=1000
    )
    return Login(pair.access_token, pair.refresh_token)


# -- time limits


async def test_statement_that_waits_too_long_is_given_up(start: Start) -> None:
    service = await start(db_statement_timeout=0.3)
    login = await add_and_log_in(service)
    async with locked_sessions(service.settings):
        for response in await asyncio.gather(
            service.client.get("/api/auth/me", headers=login.headers),
            service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)),
            service.client.delete("/api/auth/logout", headers=login.headers),
        ):
            assert_unavailable(response)
            assert response.elapsed.total_seconds() < 2
    # whatever became of them, a retry settles it once
    answer = await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token))
    assert answer.status_code in (200, 401)


async def test_refresh_that_was_given_up_can_be_repeated(start: Start) -> None:
    service = await start(db_statement_timeout=0.2)
    login = await add_and_log_in(service)
    async with locked_sessions(service.settings):
        assert_unavailable(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    success(await service.client.get("/api/auth/me", headers=newest.headers))


async def test_exhausted_pool_is_answered_in_time(start: Start) -> None:
    service = await start(db_pool_size=2, db_pool_timeout=0.2, db_statement_timeout=3.0)
    login = await add_and_log_in(service)
    async with locked_sessions(service.settings):
        stuck = [asyncio.create_task(service.client.get("/api/auth/me", headers=login.headers)) for _ in range(2)]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        refused = await asyncio.gather(
            *(service.client.get("/api/auth/me", headers=login.headers) for _ in range(20)),
        )
        assert time.monotonic() - started < 1.5
        for response in refused:
            assert_unavailable(response)
        assert await ready(service) == (503, "database unavailable")
    for response in await asyncio.gather(*stuck):
        success(response)
    assert await ready(service) == (200, None)


async def test_more_requests_than_connections_are_served_in_turn(start: Start) -> None:
    service = await start(db_pool_size=2)
    login = await add_and_log_in(service)
    answers = await asyncio.gather(*(service.client.get("/api/auth/me", headers=login.headers) for _ in range(200)))
    for answer in answers:
        success(answer)


# -- away


async def test_unreachable_database_is_503_in_time(start: Start, settings: Settings) -> None:
    login = genuine(settings)
    for url in (
        "postgresql://127.0.0.1:1/none",
        "postgresql://nowhere.invalid/none",
        "postgresql:///none?host=/nowhere",
    ):
        service = await start(database_url=SecretStr(url))
        started = time.monotonic()
        for response in await every_flow(service, login):
            assert_unavailable(response)
        assert await ready(service) == (503, "database unavailable")
        assert time.monotonic() - started < 5


async def test_bad_token_is_401_even_without_database(start: Start) -> None:
    service = await start(database_url=SecretStr("postgresql://127.0.0.1:1/none"))
    assert_refused(await service.client.get("/api/auth/me", headers=bearer("x.y.z")), 401, 40001)
    assert_refused(await service.client.get("/api/auth/me"), 401, 40001)
    success(await service.client.get("/api/response_code"))
    assert (await service.client.get("/.well-known/jwks.json")).json()["keys"]


async def test_black_hole_is_503_in_time(start: Start, settings: Settings) -> None:
    """A server that takes connections and says nothing, as behind a firewall that drops."""
    login = genuine(settings)
    connections: list[asyncio.StreamWriter] = []
    hole = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    port = hole.sockets[0].getsockname()[1]
    service = await start(database_url=SecretStr(f"postgresql://u@127.0.0.1:{port}/d"), db_connect_timeout=0.3)
    started = time.monotonic()
    responses = await asyncio.gather(
        *(service.client.get("/api/auth/me", headers=login.headers) for _ in range(20)),
        service.client.put("/api/auth/refresh", headers=login.headers),
    )
    assert time.monotonic() - started < 2
    for response in responses:
        assert_unavailable(response)
    for writer in connections:
        writer.transport.abort()
    hole.close()


async def test_lost_connections_cost_at_most_one_answer_each(service: Instance) -> None:
    login = await add_and_log_in(service)
    await asyncio.gather(*(service.client.get("/api/auth/me", headers=login.headers) for _ in range(32)))
    for _ in range(3):
        await cut_connections(service.settings)
        await asyncio.sleep(0.05)
        answers = [await service.client.get("/api/auth/me", headers=login.headers) for _ in range(40)]
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert sum(answer.status_code == 503 for answer in answers) <= 1
        success(answers[-1])


async def test_connections_lost_under_load_are_never_401_or_500(service: Instance) -> None:
    login = await add_and_log_in(service)
    seen: set[int] = set()
    done = False

    async def load() -> None:
        while not done:
            seen.add((await service.client.get("/api/auth/me", headers=login.headers)).status_code)

    tasks = [asyncio.create_task(load()) for _ in range(16)]
    for _ in range(5):
        await asyncio.sleep(0.1)
        await cut_connections(service.settings)
    await asyncio.sleep(0.1)
    done = True
    await asyncio.gather(*tasks)
    assert seen <= {200, 503}
    assert 200 in seen
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_database_that_was_gone_comes_back_without_a_restart(service: Instance) -> None:
    login = await add_and_log_in(service)
    async with unreachable(service.settings):
        for response in await every_flow(service, login):
            assert_unavailable(response)
        assert await ready(service) == (503, "database unavailable")
    success(await service.client.get("/api/auth/me", headers=login.headers))
    assert await ready(service) == (200, None)


async def test_cost_of_stored_hashes_is_learnt_as_soon_as_the_database_is_there(
    start: Start, settings: Settings
) -> None:
    """Otherwise the first refusals would tell apart accounts whose hash is from another system."""
    await add_user(settings)
    async with unreachable(settings):
        passwords = (await start()).app.state.services.passwords
        await asyncio.sleep(0.2)
        assert passwords.refusal_seconds == 0
    deadline = time.monotonic() + 20
    while passwords.refusal_seconds == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_read_only_server_is_503_and_left_by_itself(service: Instance) -> None:
    """For reads too: a primary that was demoted does not know of the log-outs on the new one."""
    login = await add_and_log_in(service)
    async with read_only(service.settings):
        await service.client.get("/api/auth/me", headers=login.headers)
        assert_unavailable(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
        assert_unavailable(await service.client.delete("/api/auth/logout", headers=login.headers))
        assert_unavailable(await service.client.get("/api/auth/me", headers=login.headers))
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    success(await service.client.delete("/api/auth/logout", headers=newest.headers))


# -- the schema


async def test_database_without_schema_is_not_ready_until_migrated(start: Start) -> None:
    async with temporary_database(migrated=False) as url:
        service = await start(database_url=SecretStr(url))
        for response in await every_flow(service, genuine(service.settings)):
            assert_unavailable(response)
        assert (await ready(service))[0] == 503
        await asyncio.to_thread(migrations.upgrade, url)
        assert await ready(service) == (200, None)
        await add_and_log_in(service)


async def test_migration_under_a_running_service_costs_at_most_one_answer(service: Instance) -> None:
    login = await add_and_log_in(service)
    success(await service.client.get("/api/auth/me", headers=login.headers))
    await query(service.settings, "ALTER TABLE users ALTER COLUMN name TYPE varchar(255)")
    await query(service.settings, "ALTER TABLE users ADD COLUMN nickname text")
    answers = [await service.client.get("/api/auth/me", headers=login.headers) for _ in range(5)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 503 for answer in answers) <= 1
    success(answers[-1])


async def test_service_works_without_prepared_statements(start: Start) -> None:
    service = await start(db_prepared_statements=False)
    login = await add_and_log_in(service)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    success(await service.client.get("/api/auth/me", headers=newest.headers))
    success(await service.client.delete("/api/auth/logout", headers=newest.headers))
    assert_refused(await service.client.get("/api/auth/me", headers=newest.headers), 401, 40001)


@pytest.mark.parametrize("prepare", [True, False])
async def test_statements_stay_prepared_unless_forbidden(database_url: str, prepare: bool) -> None:
    database = Database(database_url, size=1, prepare=prepare)
    prepared = Statement("SELECT count(*) FROM pg_prepared_statements")
    for _ in range(3):
        await database.fetchrow(NOW)
    row = await database.fetchrow(prepared)
    assert row is not None
    assert (row[0] > 0) == prepare
    await database.close()


# -- the pool itself


async def test_pool_opens_no_more_connections_than_its_size(database_url: str) -> None:
    database = Database(database_url, size=3)
    backend = Statement("SELECT pg_backend_pid()")
    rows = await asyncio.gather(*(database.fetchrow(backend) for _ in range(100)))
    assert len({row[0] for row in rows if row is not None}) == 3
    await database.close()


async def test_cancelled_requests_lose_no_connection(database_url: str) -> None:
    database = Database(database_url, size=2)
    for _ in range(20):
        tasks = [asyncio.create_task(database.fetchrow(NOW)) for _ in range(8)]
        await asyncio.sleep(0.001)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    backends = await asyncio.gather(*(database.fetchrow(Statement("SELECT pg_backend_pid()")) for _ in range(8)))
    assert len({row[0] for row in backends if row is not None}) == 2
    await database.close()


async def test_connection_survives_a_refused_statement(database_url: str) -> None:
    database = Database(database_url, size=1)
    users = UserRepository(database)
    backend = Statement("SELECT pg_backend_pid()")
    before = await database.fetchrow(backend)
    await users.create(email="a@b.example", name="", password_hash="x", scopes=[])
    with pytest.raises(EmailTaken):
        await users.create(email="A@b.example", name="", password_hash="x", scopes=[])
    assert await database.fetchrow(backend) == before
    await database.close()


async def test_connection_survives_the_loss_of_one_that_the_server_has_to_another(database_url: str) -> None:
    """As when a distributed engine cannot reach a node: the severity is ERROR, where it would be FATAL for ours."""
    await query(
        database_url,
        """CREATE FUNCTION reach_node() RETURNS void LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'connection to the remote node failed' USING ERRCODE = '08006'; END $$""",
    )
    database = Database(database_url, size=1)
    backend = Statement("SELECT pg_backend_pid()")
    before = await database.fetchrow(backend)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch(Statement("SELECT reach_node()"))
    assert await database.fetchrow(backend) == before
    await database.close()


async def test_transaction_happens_together_or_not_at_all(database_url: str) -> None:
    database = Database(database_url, size=1)
    users = UserRepository(database)
    with suppress(ZeroDivisionError):
        async with database.transaction() as transaction:
            await transaction.fetch(UserRepository.CREATE, **created("a@b.example"))
            raise ZeroDivisionError
    assert await users.list(after=0, limit=10) == []
    async with database.transaction() as transaction:
        await transaction.fetch(UserRepository.CREATE, **created("a@b.example"))
    assert [user.email for user in await users.list(after=0, limit=10)] == ["a@b.example"]
    await database.close()


def created(email: str) -> dict[str, object]:
    return {
        "email": email, "canonical_email": email, "name": "", "password_hash": "x", "scopes": [], "disabled": False,
        "email_verified_at": None,
    }  # fmt: skip


async def test_closed_pool_keeps_no_connection(database_url: str) -> None:
    database = Database(database_url)
    await asyncio.gather(*(database.fetchrow(NOW) for _ in range(10)))
    await database.close()
    for _ in range(50):
        rows = await query(
            database_url,
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'wutang-auth' AND datname = current_database()",
        )
        if not rows:
            break
        await asyncio.sleep(0.02)
    assert rows == []


async def test_errors_name_no_secret() -> None:
    database = Database("postgresql://u:canary@127.0.0.1:1/d")
    with pytest.raises(DatabaseUnavailable) as refused:
        await database.fetchrow(NOW)
    assert "canary" not in str(refused.value)
