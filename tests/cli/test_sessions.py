"""The commands for sessions."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from support.commands import Shell
from support.database import (
    add_sessions,
    count_sessions,
    expire_sessions,
    fill_users,
    let_time_pass,
    query,
    transaction,
)
from support.http import assert_refused, success
from support.legacy import add_taken_over, get_me, legacy_token, start_legacy
from support.revocations import listed
from support.services import Instance, Start
from support.users import add_and_log_in, add_user, log_in, me
from wutang_auth.fields import format_timestamp


async def test_sessions_are_listed_and_revoked(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service)
    await log_in(service.client)
    bob = await add_and_log_in(service, "bob@wutang.example")
    listed = (await shell("sessions list ada@wutang.example --json")).document
    told = success(await service.client.get("/api/auth/sessions", headers=ada.headers))
    assert [set(session) for session in listed] == [{*session, "amr"} - {"current"} for session in told]
    assert [session["id"] for session in listed] == [session["id"] for session in told]
    table = (await shell("sessions list ada@wutang.example")).said.split("\n")
    assert len(table) == 3
    assert "127.0.0.1" in table[1]
    assert (await shell("sessions revoke ADA@wutang.example")).said == "ended 2 sessions of ada@wutang.example"
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=bob.headers))
    assert (await shell("sessions revoke ada@wutang.example --json")).document == {"ended": 0}


async def test_all_sessions_are_revoked_and_other_services_hear_of_it(shell: Shell, service: Instance) -> None:
    logins = [await add_and_log_in(service, f"user{number}@wutang.example") for number in range(3)]
    cursor = (await listed(service.client)).cursor
    assert (await shell("sessions revoke --all")).said == "ended 3 sessions of all users"
    for login in logins:
        assert_refused(await me(service, login), 401, 40001)
    await asyncio.sleep(0.3)  # a view of the list is that old at most
    found = await listed(service.client, cursor)
    assert found.sessions == {login.session_id for login in logins}
    assert (await shell("sessions revoke --all --json")).document == {"ended": 0}
    success(await me(service, await log_in(service.client, "user0@wutang.example")))


async def test_sessions_of_more_users_than_a_page_are_revoked(shell: Shell, service: Instance) -> None:
    await fill_users(service.settings, 1200)
    for user_id in (1, 500, 501, 1000, 1001, 1200):
        await add_sessions(service.settings, user_id, 2)
    assert (await shell("sessions revoke --all --json")).document == {"ended": 12}
    assert await count_sessions(service.settings) == 0


async def test_sessions_that_began_before_a_time_are_revoked(shell: Shell, service: Instance) -> None:
    older = await add_and_log_in(service)
    await let_time_pass(service.settings, 3600)
    newer = await log_in(service.client)
    time = format_timestamp(datetime.now(UTC) - timedelta(minutes=30))
    done = await shell(f"sessions revoke --all --began-before {time}")
    assert done.said == f"ended 1 session of all users that began before {time}"
    assert_refused(await me(service, older), 401, 40001)
    success(await me(service, newer))


async def test_legacy_tokens_are_revoked_with_all_sessions(shell: Shell, start: Start) -> None:
    service = await start_legacy(start)
    ada, bob = [await add_taken_over(service, f"{name}@wutang.example") for name in ("ada", "bob")]
    hour_ago, now = legacy_token(ada, age=3600, ttl=7200), legacy_token(ada, age=0)
    time = format_timestamp(datetime.now(UTC) - timedelta(minutes=30))
    assert (await shell(f"sessions revoke --all --began-before {time} --json")).document == {"ended": 0}
    assert_refused(await get_me(service, hour_ago), 401, 40001)
    success(await get_me(service, now))
    assert (await shell("sessions revoke --all --json")).document == {"ended": 0}
    for token in (now, legacy_token(bob)):
        assert_refused(await get_me(service, token), 401, 40001)
    # an earlier time gives nothing back
    assert (await shell(f"sessions revoke --all --began-before {time} --json")).document == {"ended": 0}
    assert_refused(await get_me(service, now), 401, 40001)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "ada@wutang.example --all",
        "ada@wutang.example --began-before 2026-11-23T08:00:00Z",
        "--all --began-before yesterday",
    ],
)
async def test_which_sessions_to_revoke_is_said_in_one_way(shell: Shell, arguments: str) -> None:
    assert (await shell(f"sessions revoke {arguments}")).code == 2


async def test_prune_deletes_dead_sessions_only(shell: Shell, service: Instance) -> None:
    dead = await add_and_log_in(service)
    live = await log_in(service.client)
    await expire_sessions(service.settings, dead.session_id)
    assert (await shell("sessions prune")).said == "pruned 1 dead session"
    assert (await shell("sessions prune --json")).document == {"pruned": 0}
    success(await service.client.get("/api/auth/me", headers=live.headers))


async def test_pruning_leaves_what_others_hold_for_the_next_time(shell: Shell, database_url: str) -> None:
    held, *_ = await add_sessions(database_url, (await add_user(database_url)).id, 3)
    await expire_sessions(database_url)
    async with transaction(database_url) as other:
        await other.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", held)
        assert (await shell("sessions prune")).said == "pruned 2 dead sessions"
    assert (await shell("sessions prune")).said == "pruned 1 dead session"


async def test_sessions_on_several_servers_are_pruned_too(environment: dict[str, str]) -> None:
    url = environment["WUTANG_DATABASE_URL"]
    await add_sessions(url, (await add_user(url)).id, 3)
    await expire_sessions(url)
    await query(url, "ALTER TABLE users DROP CONSTRAINT users_canonical_email_key")  # as `migrate --distribute` does
    assert (await Shell(environment)("sessions prune")).said == "pruned 3 dead sessions"
    assert await count_sessions(url) == 0
