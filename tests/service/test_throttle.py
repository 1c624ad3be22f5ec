import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from time import perf_counter

import asyncpg
from passlib.hash import bcrypt

from support.database import (
    attempts_of,
    end_waits,
    failures_of,
    forget_attempts,
    let_time_pass,
    longest_wait,
    prolong_waits,
    query,
    transaction,
    url_of,
    wait_for_lock_waiters,
)
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import CREDENTIALS, NEW_PASSWORD, PASSWORD, add_and_log_in, add_user, log_in
from wutang_auth.database import Database
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository.attempts import Admission, AttemptKeys, AttemptRepository, ThrottlePolicy
from wutang_auth.settings import Settings


async def test_a_burst_is_counted_exactly_and_hashed_only_as_far_as_free(service: Instance) -> None:
    await add_user(service.settings)

    async def attempt() -> int:
        wrong = {"email": "ada@wutang.example", "password": "wrong"}
        return (await service.client.post("/api/auth/login", json=wrong)).status_code

    statuses = await asyncio.gather(*(attempt() for _ in range(60)))
    assert sorted(set(statuses)) == [401, 429]
    assert statuses.count(401) == service.settings.throttle_account_failures
    assert await attempts_of(service.settings) == [(60, 10), (60, 60)]


async def test_a_throttled_login_says_when_to_come_back(service: Instance) -> None:
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    for _ in range(10):
        assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)
    await prolong_waits(service.settings)
    response = await service.client.post("/api/auth/login", json={**wrong, "password": PASSWORD})
    assert_refused(response, 429, 40001)
    assert 3500 < int(response.headers["retry-after"]) <= 3601
    await end_waits(service.settings)
    await log_in(service.client)
    assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)


async def test_an_unknown_account_is_throttled_like_a_known_one(service: Instance) -> None:
    await add_user(service.settings)
    answers = {}
    for email in ("ada@wutang.example", "nobody@wutang.example"):
        wrong = {"email": email, "password": "wrong"}
        responses = [await service.client.post("/api/auth/login", json=wrong) for _ in range(10)]
        await prolong_waits(service.settings)
        responses += [await service.client.post("/api/auth/login", json=wrong) for _ in range(2)]
        answers[email] = [(r.status_code, r.headers.get("retry-after", "")[:2], r.content) for r in responses]
    assert answers["ada@wutang.example"] == answers["nobody@wutang.example"]
    assert [status for status, *_ in answers["nobody@wutang.example"]] == [401] * 10 + [429] * 2


async def test_the_owner_gets_in_from_a_known_address_while_strangers_hammer(start: Start) -> None:
    service = await start(trusted_proxies=[ip_network("127.0.0.0/8")])
    await add_user(service.settings)

    async def attempt(ip: str, password: str) -> int:
        body = {"email": "ada@wutang.example", "password": password}
        return (await service.client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": ip})).status_code

    assert await attempt("203.0.113.7", PASSWORD) == 200
    assert [await attempt(f"198.51.100.{number}", "wrong") for number in range(10)] == [401] * 10
    await prolong_waits(service.settings)
    assert await attempt("198.51.100.99", "wrong") == 429
    assert await attempt("192.0.2.99", PASSWORD) == 429, "a stranger's address must wait, even with the right password"
    assert await attempt("203.0.113.7", PASSWORD) == 200, "the owner's address need not"


async def test_one_address_that_tries_many_accounts_is_throttled(start: Start) -> None:
    service = await start(throttle_address_failures=5)
    await add_user(service.settings)
    statuses = []
    for number in range(7):
        body = {"email": f"user{number}@wutang.example", "password": "wrong"}
        statuses.append((await service.client.post("/api/auth/login", json=body)).status_code)
        if number == 4:
            await prolong_waits(service.settings)
    assert statuses == [401] * 5 + [429] * 2
    counted = [attempts for attempts, _ in await attempts_of(service.settings)]
    assert counted.count(1) == 5, "what the address is refused for is not counted for the account"


POLICY = ThrottlePolicy(
    account_allowed_failures=1000, address_allowed_failures=5, max_wait=timedelta(hours=1), max_failures=1000,
    reset_after=timedelta(days=1), memory=timedelta(days=30),
)  # fmt: skip


async def test_a_burst_beyond_the_last_turn_of_an_address_costs_accounts_nothing(database_url: str) -> None:
    database = Database(database_url, size=20)
    attempts = AttemptRepository(database)

    async def attempt(number: int) -> Admission:
        return await attempts.admit(
            AttemptKeys(b"address", b"account %d" % number, b"both %d" % number), POLICY, nonce=number
        )

    assert (await attempt(1)).admitted
    async with transaction(database_url) as holder:
        await holder.execute("UPDATE attempts SET failures = 4, free_at = now() WHERE key = 'address'")
        burst = [asyncio.create_task(attempt(number)) for number in range(2, 20)]
        await wait_for_lock_waiters(database_url, len(burst))
    admitted = [admission.admitted for admission in await asyncio.gather(*burst)]
    assert admitted.count(True) == 1, "all had looked before any had its turn"
    [[accounts]] = await query(database_url, "SELECT count(*) FROM attempts WHERE key <> 'address'")
    assert accounts == 2, "what the address is refused for is not counted for the account"
    await database.close()


async def test_attempts_and_successes_do_not_wait_for_each_other_in_a_circle(database_url: str) -> None:
    database = Database(database_url, size=20, pool_timeout=30, statement_timeout=30)
    attempts = AttemptRepository(database)
    keys = [
        AttemptKeys(b"address", b"account", b"account at address"),
        AttemptKeys(b"address", b"z account", b"an account at address"),
    ]
    policy = replace(POLICY, address_allowed_failures=10_000, account_allowed_failures=10_000)
    for _ in range(20):
        await asyncio.gather(
            *(attempts.admit(keys[number % 2], policy, nonce=number + 1) for number in range(20)),
            *(attempts.forgive(keys[number % 2]) for number in range(20)),
            *(attempts.refund(keys[number % 2], known_address=number % 4 > 1) for number in range(20)),
        )
    await database.close()


async def test_addresses_of_one_ipv6_network_are_one(start: Start) -> None:
    service = await start(throttle_address_failures=2, trusted_proxies=[ip_network("127.0.0.0/8")])
    statuses = []
    for number in range(3):
        if number == 2:
            await prolong_waits(service.settings)
        body = {"email": f"user{number}@wutang.example", "password": "wrong"}
        headers = {"X-Forwarded-For": f"2001:db8:1:2::{number:x}"}
        statuses.append((await service.client.post("/api/auth/login", json=body, headers=headers)).status_code)
    assert statuses == [401, 401, 429]


async def test_a_success_clears_the_account(service: Instance) -> None:
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    for _ in range(3):
        for _ in range(9):
            assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
        await log_in(service.client)


async def test_the_wait_doubles_to_its_longest_and_refusals_do_not_prolong_it(start: Start) -> None:
    service = await start(throttle_account_failures=1, throttle_max_wait=8)
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    waits = []
    for _ in range(6):
        assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
        account = await longest_wait(service.settings)
        waits.append(round((account["free_at"] - account["last_at"]).total_seconds()))
        await prolong_waits(service.settings)
        for _ in range(3):
            assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 429
        refused = await longest_wait(service.settings)
        assert refused["key"] == account["key"]
        assert refused["free_at"] - account["free_at"] == timedelta(hours=1)
        assert refused["failures"] == account["failures"]
        await end_waits(service.settings)
    assert waits == [1, 2, 4, 8, 8, 8]


async def test_after_a_hundred_failures_there_is_one_attempt_a_day(start: Start) -> None:
    service = await start(throttle_account_failures=1)
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
    await query(service.settings, "UPDATE attempts SET failures = 99, free_at = now() WHERE free_at > now()")
    assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
    refused = await service.client.post("/api/auth/login", json=wrong)
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400


async def test_counting_starts_again_after_long_quiet(service: Instance) -> None:
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    for _ in range(9):
        assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
    await let_time_pass(service.settings, 25 * 3600)
    assert (await service.client.post("/api/auth/login", json=wrong)).status_code == 401
    assert set(await failures_of(service.settings)) == {1}


async def test_counts_survive_a_restart(start: Start) -> None:
    wrong = {"email": "nobody@wutang.example", "password": "wrong"}
    for instance in (await start(), await start()):
        for _ in range(5):
            assert (await instance.client.post("/api/auth/login", json=wrong)).status_code == 401
    await prolong_waits(instance.settings)
    assert_refused(await (await start()).client.post("/api/auth/login", json=wrong), 429, 40001)


async def test_a_wrong_current_password_counts_as_an_attempt(service: Instance) -> None:
    login = await add_and_log_in(service)
    body = {"current_password": "wrong", "new_password": "a better passphrase than that"}
    for _ in range(10):
        assert_refused(await service.client.put("/api/auth/password", json=body, headers=login.headers), 409, 10003)
    counted = await failures_of(service.settings)
    assert counted == [0, 10, 10], "those of the account, of the account here, of the address"


async def test_old_attempts_are_pruned_and_waits_are_not(service: Instance) -> None:
    for number in range(3):
        body = {"email": f"user{number}@wutang.example", "password": "wrong"}
        await service.client.post("/api/auth/login", json=body)
    await let_time_pass(service.settings, 31 * 24 * 3600)
    await query(service.settings, "UPDATE attempts SET free_at = now() + interval '1 hour' WHERE failures = 3")
    database = Database(service.settings.database_url.get_secret_value())
    assert await AttemptRepository(database).prune(timedelta(days=30)) == 3
    await database.close()
    assert await failures_of(service.settings) == [3]


async def test_refusals_take_as_long_as_the_slowest_stored_hash() -> None:
    passwords = Passwords(workers=1, queue=1)
    slow = await passwords.verify("x", bcrypt.using(rounds=8).hash("y"))
    slower = await passwords.verify("x", bcrypt.using(rounds=10).hash("y"))
    quick = await passwords.verify("x", None)
    assert quick.cpu_seconds < slower.cpu_seconds
    for verdict in (slow, quick):
        started = perf_counter()
        await passwords.pad_refusal(verdict)
        assert verdict.seconds + perf_counter() - started >= max(slow.seconds, slower.seconds)
    passwords.close()


async def test_login_that_ends_in_503_is_no_wrong_password(start: Start) -> None:
    service = await start(db_statement_timeout=0.2)
    login = await add_and_log_in(service)
    await forget_attempts(service.settings)
    changes = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    async with locked(service.settings, "users"):  # before the password is looked at
        for _ in range(3):
            assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 503, 50001)
    async with locked(service.settings, "sessions"):  # afterwards
        for _ in range(12):
            assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 503, 50001)
        assert set(await failures_of(service.settings)) == {0}
        wrong = CREDENTIALS | {"password": "wrong"}
        assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)
    assert await failures_of(service.settings) == [1, 1]
    await forget_attempts(service.settings)
    success(await service.client.put("/api/auth/password", json=changes, headers=login.headers))
    assert set(await failures_of(service.settings)) == {0}


@asynccontextmanager
async def locked(target: Settings, table: str) -> AsyncIterator[None]:
    """Nobody can write to a table for as long as the block runs; of users, nobody can read either."""
    connection = await asyncpg.connect(url_of(target))
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN {'ACCESS EXCLUSIVE' if table == 'users' else 'SHARE'} MODE")
        yield
    await connection.close()
