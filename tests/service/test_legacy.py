"""Taking over live sessions: tokens of the earlier application count, once, and for few questions only."""

import asyncio
import hashlib
import logging
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from support.database import delete_users, disable_behind_the_back, query, url_of
from support.http import assert_refused, success
from support.legacy import (
    add_taken_over,
    delete_logout,
    get_me,
    legacy_token,
    put_refresh,
    start_legacy,
)
from support.services import Instance, Start
from support.tokens import bearer, claims_of, header_of
from support.users import NEW_PASSWORD, PASSWORD, Login, add_and_log_in, add_user, log_in, token_pair
from wutang_auth.database import Database
from wutang_auth.factory import open_users
from wutang_auth.repository.takeover import TakeoverRepository
from wutang_auth.service.maintenance import Intervals

REVOKED_THERE = """
    INSERT INTO legacy_tokens (digest, reason, expires_at)
    VALUES ($1, 'imported', now() + interval '1 day')
"""


@pytest.fixture
async def service(start: Start) -> Instance:
    """A service that takes over live sessions."""
    return await start_legacy(start)


async def adopted(instance: Instance, token: str) -> Login:
    """The pair that a legacy token becomes, which must succeed."""
    return token_pair(await put_refresh(instance, token))


async def sessions_of(instance: Instance) -> list[asyncpg.Record]:
    return await query(instance.settings, "SELECT * FROM sessions ORDER BY created_at")


async def known(instance: Instance) -> list[str]:
    """Why tokens count no more."""
    return [row["reason"] for row in await query(instance.settings, "SELECT reason FROM legacy_tokens")]


# -- me and verify ----------------------------------------------------------------------------------------------------


async def test_a_legacy_token_says_whose_it_is_until_it_expires(service: Instance) -> None:
    user_id = await add_taken_over(service)
    assert success(await get_me(service, legacy_token(user_id)))["id"] == user_id
    assert success(await get_me(service, legacy_token(user_id, sub=user_id)))["id"] == user_id
    assert_refused(await get_me(service, legacy_token(user_id, age=7200)), 401, 40005)
    assert await sessions_of(service) == []


async def test_a_gateway_is_told_the_session_that_it_will_become(service: Instance) -> None:
    user_id = await add_taken_over(service, scopes=["orders:read"])
    token = legacy_token(user_id)
    answer = await service.client.get("/api/auth/verify?required_scope=orders:read", headers=bearer(token))
    assert answer.status_code == 200
    assert (answer.headers["X-User-Id"], answer.headers["X-Scopes"]) == (str(user_id), "orders:read")
    assert answer.headers["X-Session-Id"] == str((await adopted(service, token)).session_id)
    again = await service.client.get("/api/auth/verify", headers=bearer(token))
    assert again.headers["X-Session-Id"] == answer.headers["X-Session-Id"]
    lacking = await service.client.get("/api/auth/verify?required_scope=orders:write", headers=bearer(token))
    assert_refused(lacking, 403, 40003)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/auth/sessions"), ("DELETE", "/api/auth/sessions/8d9a1c9e-2f0e-4a6b-9c4d-5b8f0d3e7a61"),
        ("GET", "/api/users"), ("GET", "/api/users/1"), ("DELETE", "/api/users/1"),
    ],
)  # fmt: skip
async def test_it_is_good_for_nothing_else(service: Instance, method: str, path: str) -> None:
    user_id = await add_taken_over(service, scopes=["users:read", "users:write"])
    assert_refused(await service.client.request(method, path, headers=bearer(legacy_token(user_id))), 401, 40001)


async def test_it_changes_no_password(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert_refused(await service.client.put("/api/auth/password", json=body, headers=bearer(token)), 401, 40001)


async def test_it_counts_for_users_only_that_were_taken_over(service: Instance) -> None:
    """An account made here may have the id of a stranger there."""
    own = await add_user(service.settings)
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, legacy_token(own.id)), 401, 40001)
        assert_refused(await ask(service, legacy_token(4711)), 401, 40001)


async def test_disabled_and_deleted_users_are_refused(service: Instance) -> None:
    user_id = await add_taken_over(service)
    token = legacy_token(user_id)
    await disable_behind_the_back(service.settings)
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    await delete_users(service.settings)
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)


# -- adoption ---------------------------------------------------------------------------------------------------------


async def test_a_refresh_makes_it_a_session_that_lives_as_long_as_it_could_be_refreshed(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service), age=7200)  # expired, and younger than LEGACY_REFRESH_TTL
    login = await adopted(service, token)
    assert login.generation == 0
    [session] = await sessions_of(service)
    issued_at = datetime.fromtimestamp(claims_of(token)["iat"], UTC)
    assert session["id"] == login.session_id == UUID(str(session["id"]))
    assert session["id"].version == 5
    assert session["authenticated_at"] == issued_at
    assert session["expires_at"] == issued_at + timedelta(seconds=1_209_600)
    assert session["access_expires_at"] == session["created_at"] + timedelta(seconds=3600)
    assert success(await get_me(service, login.access_token))["email"] == "ada@wutang.example"
    assert token_pair(await put_refresh(service, login.refresh_token)).generation == 1


async def test_it_is_refreshed_no_longer_than_its_application_would(start: Start) -> None:
    service = await start_legacy(start, legacy_refresh_ttl=3600)
    user_id = await add_taken_over(service)
    live_but_old = legacy_token(user_id, age=3601, ttl=86_400)
    assert_refused(await put_refresh(service, live_but_old), 401, 40005)
    success(await get_me(service, live_but_old))
    assert await sessions_of(service) == []


async def test_a_lost_answer_is_forgiven_however_late(start: Start) -> None:
    service = await start_legacy(start, refresh_grace=0)
    token = legacy_token(await add_taken_over(service))
    first = await adopted(service, token)
    success(await get_me(service, token))
    second = await adopted(service, token)
    assert (first.session_id, first.generation) == (second.session_id, second.generation)
    assert len(await sessions_of(service)) == 1


async def test_an_adopted_token_counts_until_the_grace_after_the_first_use_is_over(start: Start) -> None:
    service, strict = await start_legacy(start, refresh_grace=300), await start_legacy(start, refresh_grace=0)
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    success(await get_me(service, login.access_token))
    success(await get_me(service, token))
    assert (await adopted(service, token)).generation == 0
    assert_refused(await get_me(strict, token), 401, 40001)


async def test_later_it_is_theft_of_the_session(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wutang_auth.audit")
    service = await start_legacy(start, refresh_grace=0)
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    success(await get_me(service, login.access_token))
    assert_refused(await put_refresh(service, token), 401, 40001)
    assert await sessions_of(service) == []
    assert_refused(await get_me(service, login.access_token), 401, 40001)
    assert "theft" in caplog.messages
    # and it does not become another session
    assert_refused(await put_refresh(service, token), 401, 40001)
    assert await known(service) == ["adopted"]


async def test_a_step_of_the_session_ends_its_time_at_once(start: Start) -> None:
    service = await start_legacy(start, refresh_grace=300)
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    token_pair(await put_refresh(service, login.refresh_token))
    assert_refused(await get_me(service, token), 401, 40001)
    assert_refused(await put_refresh(service, token), 401, 40001)
    assert await sessions_of(service) == []


async def test_an_adoption_too_many_ends_the_oldest_session(start: Start) -> None:
    service = await start_legacy(start, sessions_per_user=2)
    user_id = await add_taken_over(service)
    logins = [await log_in(service.client), *[await adopted(service, legacy_token(user_id)) for _ in range(2)]]
    assert {row["id"] for row in await sessions_of(service)} == {login.session_id for login in logins[1:]}


async def test_of_twenty_at_once_at_two_instances_one_adopts_and_all_get_its_pair(start: Start) -> None:
    instances = [await start_legacy(start), await start_legacy(start)]
    user_id = await add_taken_over(instances[0])
    for number in range(20):
        token = legacy_token(user_id)
        answers = await asyncio.gather(*(put_refresh(instances[turn % 2], token) for turn in range(20)))
        logins = [token_pair(answer) for answer in answers]  # each of them 200
        assert {(login.session_id, login.generation) for login in logins} == {(logins[0].session_id, 0)}
        assert len(await sessions_of(instances[0])) == number + 1
        following = await asyncio.gather(
            *(put_refresh(instances[turn % 2], login.refresh_token) for turn, login in enumerate(logins))
        )
        assert {token_pair(answer).generation for answer in following} == {1}


# -- logout, and what ends all sessions -------------------------------------------------------------------------------


async def test_after_a_logout_it_counts_for_nothing(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    success(await delete_logout(service, token))
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    assert await known(service) == ["logout"]


async def test_a_logout_ends_the_session_that_it_became(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    success(await delete_logout(service, token))
    assert await sessions_of(service) == []
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, login.refresh_token), 401, 40001)
        assert_refused(await ask(service, token), 401, 40001)


async def test_after_a_logout_by_its_session_it_counts_for_nothing(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    success(await delete_logout(service, login.refresh_token))
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    assert await sessions_of(service) == []


async def test_of_ten_logouts_at_once_one_succeeds(start: Start) -> None:
    instances = [await start_legacy(start), await start_legacy(start)]
    token = legacy_token(await add_taken_over(instances[0]))
    answers = await asyncio.gather(*(delete_logout(instances[turn % 2], token) for turn in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert await known(instances[0]) == ["logout"]


async def test_when_its_session_is_past_its_lifetime_it_has_expired_too(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    await adopted(service, token)
    await query(service.settings, "UPDATE sessions SET expires_at = now()")
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40005)


async def test_an_expired_token_can_be_logged_out_while_it_could_be_refreshed(service: Instance) -> None:
    user_id = await add_taken_over(service)
    token = legacy_token(user_id, age=7200)
    success(await delete_logout(service, token))
    assert_refused(await put_refresh(service, token), 401, 40001)
    assert_refused(await delete_logout(service, legacy_token(user_id, age=2_000_000)), 401, 40005)


@pytest.mark.parametrize("by", ["legacy token", "session"])
async def test_everywhere_ends_all_sessions_and_legacy_tokens(service: Instance, by: str) -> None:
    user_id = await add_taken_over(service)
    token, other = legacy_token(user_id), legacy_token(user_id)
    session = await log_in(service.client)
    adopted_one = await adopted(service, legacy_token(user_id))
    asking = token if by == "legacy token" else session.access_token
    success(await delete_logout(service, asking, everywhere=True))
    assert await sessions_of(service) == []
    for refused in (token, other, session.access_token, adopted_one.access_token):
        assert_refused(await get_me(service, refused), 401, 40001)
    assert_refused(await put_refresh(service, other), 401, 40001)


async def test_everywhere_with_a_session_that_is_gone_ends_nothing(service: Instance) -> None:
    user_id = await add_taken_over(service)
    session = await log_in(service.client)
    success(await delete_logout(service, session.access_token))
    assert_refused(await delete_logout(service, session.access_token, everywhere=True), 401, 40001)
    success(await get_me(service, legacy_token(user_id)))


async def change_password(service: Instance) -> None:
    login = await log_in(service.client)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    success(await service.client.put("/api/auth/password", json=body, headers=login.headers))


async def set_password(service: Instance) -> None:
    await administer(service, {"password": NEW_PASSWORD})


async def disable_and_enable(service: Instance) -> None:
    await administer(service, {"disabled": True})
    await administer(service, {"disabled": False})


async def administer(service: Instance, change: dict[str, Any]) -> None:
    root = f"root{len(str(change))}{change.get('disabled')}@wutang.example".lower()
    await add_user(service.settings, root, scopes=["users:read", "users:write"])
    headers = (await log_in(service.client, root)).headers
    [user] = success(await service.client.get("/api/users?email=ada@wutang.example", headers=headers))["items"]
    success(await service.client.patch(f"/api/users/{user['id']}", json=change, headers=headers))


async def revoke_by_command(service: Instance) -> None:
    database = Database(url_of(service.settings))
    async with open_users(database, password_min_length=8) as users:
        await users.revoke_sessions((await users.find_user("ada@wutang.example")).id)
    await database.close()


async def delete_and_import_again(service: Instance) -> None:
    [user] = await query(service.settings, "SELECT * FROM users")
    database = Database(url_of(service.settings))
    async with open_users(database, password_min_length=8) as users:
        await users.delete_user(None, user["id"])
    await database.close()
    columns = ", ".join(user.keys())
    places = ", ".join(f"${place}" for place in range(1, len(user) + 1))
    await query(service.settings, f"INSERT INTO users ({columns}) VALUES ({places})", *user.values())


@pytest.mark.parametrize(
    "end_all", [change_password, set_password, disable_and_enable, revoke_by_command, delete_and_import_again]
)
async def test_what_ends_all_sessions_ends_legacy_tokens_that_were_issued_before(
    service: Instance, end_all: Any
) -> None:
    user_id = await add_taken_over(service)
    token = legacy_token(user_id)
    success(await get_me(service, token))
    await end_all(service)
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    success(await get_me(service, legacy_token(user_id, age=-2)))  # issued there since, by a clock ahead of ours


async def test_only_a_changed_password_counts_as_one_for_the_takeover(service: Instance) -> None:
    await add_taken_over(service)
    changed = "SELECT password_changed FROM takeover_users"
    await disable_and_enable(service)
    assert [tuple(row) for row in await query(service.settings, changed)] == [(False,)]
    await change_password(service)
    assert [tuple(row) for row in await query(service.settings, changed)] == [(True,)]


async def test_an_adoption_that_an_end_of_all_sessions_overtakes_is_refused(service: Instance) -> None:
    user_id = await add_taken_over(service)
    token = legacy_token(user_id)
    other = await asyncpg.connect(url_of(service.settings))
    async with other.transaction():
        await other.execute("UPDATE takeover_users SET refused_until = now() WHERE user_id = $1", user_id)
        asking = asyncio.create_task(put_refresh(service, token))
        await asyncio.wait_for(waiting_for_a_lock(service), 10)
    assert_refused(await asking, 401, 40001)
    await other.close()
    assert await sessions_of(service) == []
    assert await known(service) == []


async def test_an_end_of_all_sessions_waits_for_an_adoption_and_ends_it(service: Instance) -> None:
    user_id = await add_taken_over(service)
    session = await log_in(service.client)
    other = await asyncpg.connect(url_of(service.settings))
    async with other.transaction():
        # an adoption that has not committed yet
        await other.execute("SELECT FROM takeover_users WHERE user_id = $1 FOR NO KEY UPDATE", user_id)
        await other.execute(
            "INSERT INTO sessions (user_id, id, expires_at) VALUES ($1, gen_random_uuid(), now() + interval '1 day')",
            user_id,
        )
        asking = asyncio.create_task(delete_logout(service, session.access_token, everywhere=True))
        await asyncio.wait_for(waiting_for_a_lock(service), 10)
    success(await asking)
    await other.close()
    assert await sessions_of(service) == []


async def waiting_for_a_lock(service: Instance) -> None:
    """Return when a connection of the service waits for a lock."""
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await query(service.settings, waits):  # noqa: ASYNC110 -- PostgreSQL tells nobody
        await asyncio.sleep(0.01)


# -- what is remembered -----------------------------------------------------------------------------------------------


async def test_what_was_revoked_there_is_refused_here(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    await query(service.settings, REVOKED_THERE, digest_of(token))
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)


def digest_of(token: str) -> bytes:
    return hashlib.sha1(claims_of(token)["jti"].encode(), usedforsecurity=False).digest()


async def test_an_adopted_token_that_was_revoked_there_is_not_answered_once_more(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    login = await adopted(service, token)
    database = Database(url_of(service.settings))

    async def blacklist() -> AsyncIterator[tuple[bytes, None]]:
        yield digest_of(token), None

    for newly_known in (1, 0):
        assert await TakeoverRepository(database).revoke(blacklist(), refresh_ttl=timedelta(days=14)) == newly_known
    await database.close()
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    success(await get_me(service, login.access_token))


async def test_it_stays_known_as_long_as_it_could_count_and_then_is_forgotten(start: Start) -> None:
    service = await start_legacy(start, intervals=Intervals(pruning=0.05))
    user_id = await add_taken_over(service)
    long = legacy_token(user_id, ttl=3_000_000)
    success(await delete_logout(service, long))
    short = legacy_token(user_id)
    await adopted(service, short)
    rows = await query(service.settings, "SELECT digest, expires_at FROM legacy_tokens")
    ends = {row["digest"]: int(row["expires_at"].timestamp()) for row in rows}
    assert ends == {
        digest_of(long): claims_of(long)["exp"],
        digest_of(short): claims_of(short)["iat"] + 1_209_600,
    }
    past = "now() - interval '60 days'"  # as long as the gate may be open: no later setting revives a token
    await query(service.settings, f"UPDATE legacy_tokens SET expires_at = {past} WHERE reason = 'adopted'")
    while await known(service) != ["logout"]:  # noqa: ASYNC110 -- PostgreSQL tells nobody
        await asyncio.sleep(0.02)


async def test_a_token_that_is_used_up_stays_known_when_its_session_is_gone(service: Instance) -> None:
    token = legacy_token(await add_taken_over(service))
    await adopted(service, token)
    await query(service.settings, "DELETE FROM sessions")
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)


async def test_seeing_one_is_told_once_an_hour(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wutang_auth.audit")
    user_id = await add_taken_over(service)
    for _ in range(3):
        success(await get_me(service, legacy_token(user_id)))
    assert caplog.messages == ["legacy_seen"]
    await query(service.settings, "UPDATE takeover_users SET legacy_seen_at = now() - interval '61 minutes'")
    for _ in range(3):
        success(await get_me(service, legacy_token(user_id)))
    assert caplog.messages == ["legacy_seen"] * 2


async def test_adoptions_and_refusals_are_told_with_the_reason(
    service: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wutang_auth.audit")
    user_id = await add_taken_over(service)
    login = await adopted(service, legacy_token(user_id))
    await put_refresh(service, legacy_token(user_id, prv="0" * 40))
    await put_refresh(service, legacy_token(4711))
    told = [
        (record.message, record.fields.get("reason"))  # type: ignore[attr-defined]
        for record in caplog.records
        if record.message.startswith("legacy")
    ]
    assert told == [
        ("legacy_adopted", None), ("legacy_refused", "other model"), ("legacy_refused", "not taken over"),
    ]  # fmt: skip
    assert caplog.records[0].fields["session_id"] == str(login.session_id)  # type: ignore[attr-defined]


# -- the gate as a whole ----------------------------------------------------------------------------------------------


async def test_after_its_time_the_gate_is_shut_with_one_line_and_nothing_else_changes(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "wutang_auth.tokens.legacy")
    service = await start_legacy(start, legacy_until=datetime.now(UTC) - timedelta(seconds=1))
    token = legacy_token(await add_taken_over(service))
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)
    success(await get_me(service, (await log_in(service.client)).access_token))
    assert len(caplog.messages) == 1
    assert "WUTANG_LEGACY_UNTIL" in caplog.messages[0]


async def test_without_the_secret_there_is_no_such_gate(start: Start) -> None:
    service = await start()
    token = legacy_token(await add_taken_over(service))
    for ask in (get_me, put_refresh, delete_logout):
        assert_refused(await ask(service, token), 401, 40001)


async def test_off_imports_nothing(environment: dict[str, str]) -> None:
    program = """if True:
        import asyncio, sys
        from wutang_auth.main import create_app
        async def serve():
            app = create_app()
            async with app.router.lifespan_context(app):
                print(*sorted(name for name in sys.modules if name.startswith("wutang_auth.") and "legacy" in name))
        asyncio.run(serve())
    """
    asked = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=environment, stdout=PIPE)
    told, _ = await asked.communicate()
    assert told.split() == [b"wutang_auth.repository.legacy_cut"]


# -- the way back -----------------------------------------------------------------------------------------------------


async def test_a_minted_token_counts_here_like_any_other(start: Start) -> None:
    service = await start_legacy(start, legacy_mint=True)
    login = await adopted(service, legacy_token(await add_taken_over(service, scopes=["users:read"])))
    assert header_of(login.access_token)["kid"] == "legacy"
    assert success(await service.client.get("/api/users", headers=login.headers))["items"]
    following = token_pair(await put_refresh(service, login.access_token))
    assert following.generation == 1
    success(await delete_logout(service, following.access_token))
    assert_refused(await get_me(service, following.access_token), 401, 40001)


async def test_a_minted_token_that_was_revoked_there_is_refused_here(start: Start) -> None:
    service = await start_legacy(start, legacy_mint=True)
    login = await adopted(service, legacy_token(await add_taken_over(service)))
    await query(service.settings, REVOKED_THERE, digest_of(login.access_token))
    assert_refused(await get_me(service, login.access_token), 401, 40001)
    assert_refused(await service.client.get("/api/auth/verify", headers=login.headers), 401, 40001)
    assert_refused(await put_refresh(service, login.access_token), 401, 40001)


async def test_neither_is_answered_from_memory(start: Start) -> None:
    service = await start_legacy(start, legacy_mint=True, verify_staleness=10.0)
    user_id = await add_taken_over(service)
    for token in (legacy_token(user_id), (await adopted(service, legacy_token(user_id))).access_token):
        for _ in range(2):
            assert (await service.client.get("/api/auth/verify", headers=bearer(token))).status_code == 200
        await query(service.settings, REVOKED_THERE, digest_of(token))
        assert_refused(await service.client.get("/api/auth/verify", headers=bearer(token)), 401, 40001)


async def test_introspection_tells_of_minted_tokens_and_not_of_legacy_ones(start: Start) -> None:
    service = await start_legacy(start, legacy_mint=True)
    asking = await add_and_log_in(service, "shop@wutang.example", scopes=["tokens:introspect"])
    token = legacy_token(await add_taken_over(service))

    async def introspect(text: str) -> Any:
        form = {"token": text}
        return (await service.client.post("/api/auth/introspect", data=form, headers=asking.headers)).json()

    assert await introspect(token) == {"active": False}
    minted = (await adopted(service, token)).access_token
    told = await introspect(minted)
    assert (told["active"], told["sub"], "aud" in told) == (True, claims_of(token)["sub"], False)
    await query(service.settings, REVOKED_THERE, digest_of(minted))
    assert await introspect(minted) == {"active": False}


async def test_what_the_application_makes_of_a_minted_token_is_a_legacy_token(start: Start) -> None:
    """It keeps all claims but `exp`, `nbf`, `jti` and `iss`, and does not know of `kid`."""
    service = await start_legacy(start, legacy_mint=True)
    user_id = await add_taken_over(service)
    minted = await adopted(service, legacy_token(user_id))
    there = legacy_token(
        user_id, **(claims_of(minted.access_token) | {"jti": "oEQHJUYOJ6BXv2ti", "iss": "https://a.b/c"})
    )
    success(await get_me(service, there))
    following = await adopted(service, there)
    assert following.session_id != minted.session_id


async def test_no_key_set_shows_the_secret(start: Start) -> None:
    service = await start_legacy(start, legacy_mint=True)
    keys = (await service.client.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kty"] for key in keys} == {"EC"}
    assert "legacy" not in {key["kid"] for key in keys}
