"""How and when somebody proved who it is: what tokens, me and sessions tell of it, where there are second factors."""

from datetime import datetime

from support.database import query
from support.http import success
from support.services import Instance, Start
from support.tokens import bearer, claims_of
from support.users import PASSWORD, Login, add_and_log_in, log_in, me, token_pair

BY_TWO_FACTORS = "UPDATE sessions SET amr = ARRAY['pwd', 'otp', 'mfa'] WHERE id = $1"
LATER = "UPDATE sessions SET authenticated_at = authenticated_at - interval '301 s'"


async def refreshed(service: Instance, login: Login) -> Login:
    return token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))


async def sessions(service: Instance, login: Login) -> list[dict[str, object]]:
    found: list[dict[str, object]] = success(await service.client.get("/api/auth/sessions", headers=login.headers))
    return found


async def test_nothing_is_told_where_there_are_none(service: Instance) -> None:
    login = await add_and_log_in(service)
    await query(service.settings, BY_TWO_FACTORS, login.session_id)  # from a time when there were
    for one in (login, await refreshed(service, login)):
        assert not {"amr", "auth_time"} & {*claims_of(one.access_token), *claims_of(one.refresh_token)}
        assert "amr" not in success(await me(service, one))
        assert "amr" not in (await sessions(service, one))[0]


async def test_the_access_token_says_how_and_when_and_a_refresh_keeps_that(start: Start) -> None:
    service = await start(mfa="optional")
    login = await add_and_log_in(service)
    claims = claims_of(login.access_token)
    [session] = await sessions(service, login)
    assert claims["amr"] == ["pwd"]
    assert claims["auth_time"] == int(datetime.fromisoformat(str(session["created_at"])).timestamp())
    assert not {"amr", "auth_time"} & {*claims_of(login.refresh_token)}
    await query(service.settings, LATER)
    await query(service.settings, BY_TWO_FACTORS, login.session_id)
    for _ in range(2):
        login = await refreshed(service, login)
        later = claims_of(login.access_token)
        assert (later["amr"], later["auth_time"]) == (["pwd", "otp", "mfa"], claims["auth_time"] - 301)


async def test_a_session_of_which_nobody_knows_when_says_only_how(start: Start) -> None:
    service = await start(mfa="optional")
    login = await add_and_log_in(service)
    await query(service.settings, "UPDATE sessions SET authenticated_at = NULL, amr = NULL")
    claims = claims_of((await refreshed(service, login)).access_token)
    assert claims["amr"] == ["pwd"]
    assert "auth_time" not in claims


async def test_the_next_token_says_what_was_proven_since(start: Start) -> None:
    service = await start(mfa="optional")
    login = await add_and_log_in(service)
    await query(service.settings, LATER)
    login = await refreshed(service, login)
    before = claims_of(login.access_token)["auth_time"]
    body = {"password": PASSWORD}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
    assert claims_of((await refreshed(service, login)).access_token)["auth_time"] > before + 300


async def test_me_and_sessions_tell_of_each_session_how(start: Start) -> None:
    service = await start(mfa="optional", db_grouped_reads=True)
    by_password = await add_and_log_in(service)
    by_two = await log_in(service.client)
    await query(service.settings, BY_TWO_FACTORS, by_two.session_id)
    assert success(await me(service, by_password))["amr"] == ["pwd"]
    assert success(await me(service, by_two))["amr"] == ["pwd", "otp", "mfa"]
    assert [session["amr"] for session in await sessions(service, by_password)] == [["pwd", "otp", "mfa"], ["pwd"]]
    renamed = await service.client.patch("/api/auth/me", json={"name": "Ada"}, headers=by_two.headers)
    assert success(renamed)["amr"] == ["pwd", "otp", "mfa"]
