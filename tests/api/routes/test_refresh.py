"""Refresh: one step a token, another answer until the new tokens are used, the end of the session after that."""

import asyncio

import httpx

from support.database import (
    change_users,
    count_sessions,
    delete_users,
    disable_behind_the_back,
    expire_sessions,
    generations_of,
    let_time_pass,
    query,
)
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import EXPIRED, bearer, claims_of, forge
from support.users import Login, add_and_log_in, log_in, me, token_pair


async def put_refresh(instance: Instance, token: str) -> httpx.Response:
    return await instance.client.put("/api/auth/refresh", headers=bearer(token))


def generation(token: str) -> int:
    found: int = claims_of(token)["gen"]
    return found


async def test_refresh_steps_to_the_next_generation_of_the_same_session(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await put_refresh(service, login.refresh_token)
    data = success(response)
    assert set(data) == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert response.headers["cache-control"] == "no-store"
    old = claims_of(login.refresh_token)
    for token in (data["access_token"], data["refresh_token"]):
        claims = claims_of(token)
        assert (claims["sub"], claims["sid"], claims["gen"]) == (old["sub"], old["sid"], 1)
    success(await me(service, token_pair(response)))


async def test_refreshed_tokens_refresh_again_and_again(service: Instance) -> None:
    login = await add_and_log_in(service)
    for step in range(1, 6):
        login = token_pair(await put_refresh(service, login.refresh_token))
        assert generation(login.refresh_token) == generation(login.access_token) == step
    success(await me(service, login))


async def test_refresh_does_not_extend_the_session(service: Instance) -> None:
    login = await add_and_log_in(service)
    await expire_sessions(service.settings, left=100)
    data = success(await put_refresh(service, login.refresh_token))
    assert 95 <= data["refresh_expires_in"] <= 100
    assert data["expires_in"] == data["refresh_expires_in"]
    claims = [claims_of(data[name]) for name in ("access_token", "refresh_token")]
    assert [one["exp"] - one["iat"] - 5 for one in claims] == [data["expires_in"], data["refresh_expires_in"]]


async def test_refresh_takes_the_present_scopes(service: Instance) -> None:
    login = await add_and_log_in(service, scopes=["users:read", "users:write"])
    await change_users(service.settings, scopes=["users:read"])
    login = token_pair(await put_refresh(service, login.refresh_token))
    assert claims_of(login.access_token)["scope"] == "users:read"


async def used(instance: Instance, answer: httpx.Response) -> Login:
    """The tokens of an answer, once one of them was used."""
    pair = token_pair(answer)
    success(await me(instance, pair))
    return pair


async def test_same_token_once_more_gets_the_current_generation(service: Instance) -> None:
    login = await add_and_log_in(service)
    first = token_pair(await put_refresh(service, login.refresh_token))
    again = token_pair(await put_refresh(service, login.refresh_token))
    assert generation(first.refresh_token) == generation(again.refresh_token) == 1
    assert again.refresh_token != first.refresh_token
    for pair in (first, again):
        success(await me(service, pair))
    assert generation(token_pair(await put_refresh(service, again.refresh_token)).refresh_token) == 2
    # the first answer's refresh token is of the same generation as the second's: it is the parent now
    assert generation(token_pair(await put_refresh(service, first.refresh_token)).refresh_token) == 2


async def test_reuse_after_the_grace_ends_the_session_newest_tokens_included(service: Instance) -> None:
    login = await add_and_log_in(service)
    newest = token_pair(await put_refresh(service, login.refresh_token))
    success(await me(service, newest))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert_refused(await me(service, newest), 401, 40001)
    assert_refused(await put_refresh(service, newest.refresh_token), 401, 40001)
    assert await count_sessions(service.settings) == 0


async def test_same_token_is_answered_however_late_until_the_new_ones_are_used(service: Instance) -> None:
    login = await add_and_log_in(service)
    lost = token_pair(await put_refresh(service, login.refresh_token))
    for _ in range(3):
        await let_time_pass(service.settings, 3 * 24 * 3600)
        assert token_pair(await put_refresh(service, login.refresh_token)).generation == 1
    success(await service.client.get("/api/auth/sessions", headers=login.headers))
    assert await generations_of(service.settings) == [1]
    success(await me(service, lost))
    success(await put_refresh(service, login.refresh_token))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert await count_sessions(service.settings) == 0


async def test_tokens_of_a_login_count_as_used(service: Instance) -> None:
    login = await add_and_log_in(service)
    [[counts]] = await query(service.settings, "SELECT confirmed_at >= rotated_at FROM sessions")
    assert counts
    success(await me(service, login))


async def test_refresh_with_the_new_tokens_is_a_use_of_them(service: Instance) -> None:
    login = await add_and_log_in(service)
    second = token_pair(await put_refresh(service, login.refresh_token))
    third = token_pair(await put_refresh(service, second.refresh_token))
    # the second's answer may be lost now, the first's cannot
    await let_time_pass(service.settings, 3600)
    assert token_pair(await put_refresh(service, second.refresh_token)).generation == 2
    success(await me(service, second))
    assert_refused(await me(service, login), 401, 40001)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert_refused(await me(service, third), 401, 40001)


async def test_grace_begins_with_the_first_use_and_no_later_one(service: Instance) -> None:
    login = await add_and_log_in(service)
    newest = await used(service, await put_refresh(service, login.refresh_token))
    await let_time_pass(service.settings, 6)
    success(await me(service, newest))
    success(await put_refresh(service, login.refresh_token))
    await let_time_pass(service.settings, 6)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)


async def test_use_of_the_old_tokens_is_no_use_of_the_new_ones(service: Instance) -> None:
    login = await add_and_log_in(service)
    lost = await put_refresh(service, login.refresh_token)
    success(await me(service, login))
    await let_time_pass(service.settings, 3600)
    success(await me(service, login))
    success(await put_refresh(service, login.refresh_token))
    success(await me(service, token_pair(lost)))


async def test_thief_who_comes_later_than_the_owner_ends_the_session(service: Instance) -> None:
    owner = await add_and_log_in(service)
    stolen = owner.refresh_token
    owner = await used(service, await put_refresh(service, owner.refresh_token))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, stolen), 401, 40001)
    assert_refused(await me(service, owner), 401, 40001)


async def test_thief_who_comes_before_the_owner_does_not_stay_either(service: Instance) -> None:
    owner = await add_and_log_in(service)
    thief = await used(service, await put_refresh(service, owner.refresh_token))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, owner.refresh_token), 401, 40001)
    assert_refused(await me(service, thief), 401, 40001)


async def test_thief_and_owner_cannot_alternate(service: Instance) -> None:
    """Each gets a pair while the other's is unused; the first use of the next one ends that."""
    owner = thief = await add_and_log_in(service)
    owner = token_pair(await put_refresh(service, owner.refresh_token))
    thief = token_pair(await put_refresh(service, thief.refresh_token))
    owner = await used(service, await put_refresh(service, owner.refresh_token))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, thief.refresh_token), 401, 40001)
    assert_refused(await me(service, owner), 401, 40001)


async def test_first_uses_at_the_same_time_are_all_served(service: Instance) -> None:
    login = await add_and_log_in(service)
    newest = token_pair(await put_refresh(service, login.refresh_token))
    answers = await asyncio.gather(*(me(service, newest) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    [[confirmed]] = await query(service.settings, "SELECT confirmed_at > rotated_at FROM sessions")
    assert confirmed


async def test_step_of_the_release_before_counts_as_used_at_once(service: Instance) -> None:
    """It knows no `confirmed_at` and leaves it as it is."""
    login = await add_and_log_in(service)
    step = "UPDATE sessions SET generation = generation + 1, rotated_at = now()"
    await query(service.settings, step)
    success(await me(service, login))
    await let_time_pass(service.settings, 11)
    assert_refused(await me(service, login), 401, 40001)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert await count_sessions(service.settings) == 0


async def test_older_generation_ends_the_session_even_within_the_grace(service: Instance) -> None:
    login = await add_and_log_in(service)
    second = token_pair(await put_refresh(service, login.refresh_token))
    newest = token_pair(await put_refresh(service, second.refresh_token))
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert_refused(await me(service, newest), 401, 40001)
    assert await count_sessions(service.settings) == 0


async def test_theft_ends_no_other_session(service: Instance) -> None:
    stolen = await add_and_log_in(service)
    other = await log_in(service.client)
    await used(service, await put_refresh(service, stolen.refresh_token))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, stolen.refresh_token), 401, 40001)
    success(await me(service, other))
    success(await put_refresh(service, other.refresh_token))


async def test_without_grace_the_old_token_is_theft_from_the_first_use_of_the_new_on(start: Start) -> None:
    service = await start(refresh_grace=0)
    login = await add_and_log_in(service)
    success(await put_refresh(service, login.refresh_token))
    newest = await used(service, await put_refresh(service, login.refresh_token))
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert_refused(await me(service, newest), 401, 40001)


async def test_grace_ends_by_itself(start: Start) -> None:
    service = await start(refresh_grace=1)
    login = await add_and_log_in(service)
    newest = await used(service, await put_refresh(service, login.refresh_token))
    success(await me(service, login))
    success(await put_refresh(service, login.refresh_token))
    await asyncio.sleep(1.05)
    assert_refused(await me(service, login), 401, 40001)
    success(await me(service, newest))
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)


async def test_replays_within_the_grace_do_not_prolong_it(service: Instance) -> None:
    login = await add_and_log_in(service)
    await used(service, await put_refresh(service, login.refresh_token))
    await let_time_pass(service.settings, 6)
    await used(service, await put_refresh(service, login.refresh_token))
    await let_time_pass(service.settings, 6)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)


async def test_old_access_token_stops_when_the_grace_ends(service: Instance) -> None:
    login = await add_and_log_in(service)
    newest = await used(service, await put_refresh(service, login.refresh_token))
    success(await me(service, login))
    await let_time_pass(service.settings, 11)
    assert_refused(await me(service, login), 401, 40001)
    success(await me(service, newest))


async def test_access_token_two_generations_old_stops_at_once(service: Instance) -> None:
    login = await add_and_log_in(service)
    second = token_pair(await put_refresh(service, login.refresh_token))
    newest = token_pair(await put_refresh(service, second.refresh_token))
    assert_refused(await me(service, login), 401, 40001)
    success(await me(service, second))
    success(await me(service, newest))


async def test_access_token_is_taken_at_refresh(service: Instance) -> None:
    login = await add_and_log_in(service)
    data = success(await put_refresh(service, login.access_token))
    assert generation(data["access_token"]) == 1


async def test_expired_access_token_is_taken_at_refresh(service: Instance) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    renewed = token_pair(await put_refresh(service, expired))
    success(await me(service, renewed))


async def test_expired_access_token_reused_after_the_grace_is_theft_too(service: Instance) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    newest = await used(service, await put_refresh(service, expired))
    await let_time_pass(service.settings, 11)
    assert_refused(await put_refresh(service, expired), 401, 40001)
    assert_refused(await me(service, newest), 401, 40001)


async def test_setting_forbids_access_tokens_at_refresh(start: Start) -> None:
    service = await start(refresh_with_access_token=False)
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    for token in (login.access_token, expired):
        assert_refused(await put_refresh(service, token), 401, 40001)
    assert generation(token_pair(await put_refresh(service, login.refresh_token)).refresh_token) == 1


async def test_expired_refresh_token_is_told_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.refresh_token, exp=EXPIRED)
    assert assert_refused(await put_refresh(service, expired), 401, 40005)["message"] == "Unauthenticated."
    success(await put_refresh(service, login.refresh_token))


async def test_session_past_its_lifetime_is_told_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    await expire_sessions(service.settings)
    for token in (login.refresh_token, login.access_token):
        assert_refused(await put_refresh(service, token), 401, 40005)
    assert await generations_of(service.settings) == [0]


async def test_generation_of_the_future_is_refused_and_ends_nothing(service: Instance) -> None:
    login = await add_and_log_in(service)
    for ahead in (1, 2, 2**31 - 1):
        token = forge(service.settings).changed(login.refresh_token, gen=ahead)
        assert_refused(await put_refresh(service, token), 401, 40001)
    success(await put_refresh(service, login.refresh_token))


async def test_refresh_after_logout_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    success(await service.client.delete("/api/auth/logout", headers=login.headers))
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert_refused(await put_refresh(service, login.access_token), 401, 40001)


async def test_disabled_user_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    await disable_behind_the_back(service.settings)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)
    assert await generations_of(service.settings) == [0]


async def test_deleted_user_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    await delete_users(service.settings)
    assert_refused(await put_refresh(service, login.refresh_token), 401, 40001)


async def test_no_token_is_refused(service: Instance) -> None:
    response = await service.client.put("/api/auth/refresh")
    assert_refused(response, 401, 40001)
    assert "error" not in response.headers["www-authenticate"]


async def test_body_does_not_matter_at_refresh(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await service.client.put("/api/auth/refresh", headers=login.headers, content=b"\xff{not json")
    success(response)


async def test_parallel_refreshes_of_one_token_step_once(service: Instance) -> None:
    login = await add_and_log_in(service)
    answers = await asyncio.gather(*(put_refresh(service, login.refresh_token) for _ in range(30)))
    pairs = [token_pair(answer) for answer in answers]
    assert {generation(pair.refresh_token) for pair in pairs} == {1}
    assert await generations_of(service.settings) == [1]
    for pair in pairs:
        success(await me(service, pair))


async def test_refresh_racing_with_logout_leaves_no_session(service: Instance) -> None:
    login = await add_and_log_in(service)
    for _ in range(8):
        refreshed, left = await asyncio.gather(
            put_refresh(service, login.refresh_token),
            service.client.delete("/api/auth/logout", headers=bearer(login.refresh_token)),
        )
        success(left)
        assert refreshed.status_code in (200, 401)
        assert await count_sessions(service.settings) == 0
        login = await log_in(service.client)


async def test_refresh_and_the_first_use_after_it_are_one_heap_only_update_each(service: Instance) -> None:
    login = await add_and_log_in(service)
    for _ in range(10):
        login = await used(service, await put_refresh(service, login.refresh_token))
        success(await me(service, login))
    for _ in range(100):  # PostgreSQL's backends report their counters with a delay
        [[updates, heap_only]] = await query(
            service.settings, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
        )
        if updates >= 20:
            break
        await asyncio.sleep(0.1)
        await service.client.get("/readyz")
    assert (updates, heap_only) == (20, 20)
