"""`WUTANG_MFA=writers` and `all`: who must have a second factor does nothing before there is one."""

from typing import Any

import pytest

from support.database import change_users
from support.factors import Clock, add_app, add_with_app, make_stale, try_login
from support.http import success
from support.legacy import add_taken_over, get_me, legacy_settings, legacy_token, put_refresh
from support.services import Instance, Start
from support.tokens import bearer
from support.users import PASSWORD, READER, WRITER, Login, add_and_log_in, administrator, me, token_pair

REFUSED = [
    ("GET", "/api/auth/me", None),
    ("PATCH", "/api/auth/me", {"name": "Ada"}),
    ("GET", "/api/auth/sessions", None),
    ("PUT", "/api/auth/password", {"current_password": PASSWORD, "new_password": "seven small violet umbrellas"}),
    ("GET", "/api/auth/verify", None),
    ("GET", "/api/auth/verify?required_scope=users:write", None),
    ("GET", "/api/users", None),
    ("GET", "/api/users/1", None),
    ("POST", "/api/users", {"email": "x@wutang.example", "password": "seven small violet umbrellas"}),
    ("PATCH", "/api/users/1", {"name": "x"}),
    ("DELETE", "/api/users/1", None),
    ("DELETE", "/api/users/1/factors", None),
    ("POST", "/api/auth/introspect", {"token": "x"}),
]


async def send(service: Instance, login: Login, method: str, path: str, body: dict[str, Any] | None) -> Any:
    return await service.client.request(method, path, json=body, headers=login.headers)


@pytest.mark.parametrize("mfa", ["writers", "all"])
async def test_a_writer_without_one_may_add_it_and_nothing_else(start: Start, clock: Clock, mfa: str) -> None:
    service = await start(**clock.settings(mfa=mfa))
    scopes = [*WRITER, "tokens:introspect"]
    login = await administrator(service, scopes)
    for method, path, body in REFUSED:
        response = await send(service, login, method, path, body)
        assert response.status_code == 403, path
        assert response.json()["data"] == {"enrol": {"methods": ["totp"]}}, path
    success(await service.client.get("/api/auth/factors", headers=login.headers))
    await make_stale(service.settings)
    body = {"password": PASSWORD}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
    login = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    await add_app(service, login, clock)
    success(await me(service, login))
    assert (await service.client.get("/api/auth/verify", headers=login.headers)).status_code == 200
    success(await service.client.get("/api/users", headers=login.headers))


@pytest.mark.parametrize("mfa", ["writers", "all"])
async def test_it_may_log_out(start: Start, clock: Clock, mfa: str) -> None:
    service = await start(**clock.settings(mfa=mfa))
    login = await administrator(service)
    success(await service.client.delete("/api/auth/logout", headers=login.headers))


@pytest.mark.parametrize(
    ("mfa", "scopes", "served"), [("writers", READER, True), ("all", [], False), ("optional", WRITER, True)]
)
async def test_others_are_asked_only_where_all_are(
    start: Start, clock: Clock, mfa: str, scopes: list[str], *, served: bool
) -> None:
    service = await start(**clock.settings(mfa=mfa))
    login = await add_and_log_in(service, scopes=scopes)
    assert (await me(service, login)).status_code == (200 if served else 403)


async def test_who_has_one_is_served_after_its_login(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa="all"))
    _, app = await add_with_app(service, clock)
    success(await me(service, token_pair(await try_login(service, code=app.code()))))


async def test_who_removes_it_has_to_add_the_next_first(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa="all"))
    login, _ = await add_with_app(service, clock)
    success(await service.client.delete("/api/auth/factors/totp", headers=login.headers))
    assert (await me(service, login)).status_code == 403
    await add_app(service, login, clock)
    success(await me(service, login))


async def test_a_scope_that_is_given_asks_for_it_from_the_next_request_on(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa="writers"))
    login = await add_and_log_in(service, scopes=READER)
    success(await me(service, login))
    await change_users(service.settings, user_id=login.user_id, scopes=WRITER)
    assert (await me(service, login)).status_code == 403


async def test_verify_from_memory_lets_nobody_pass_either(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa="all", verify_staleness=5.0))
    login = await add_and_log_in(service)
    _, app = await add_with_app(service, clock, "eve@wutang.example")
    for _ in range(3):
        assert (await service.client.get("/api/auth/verify", headers=login.headers)).status_code == 403
    proven = token_pair(await try_login(service, "eve@wutang.example", code=app.code()))
    assert (await service.client.get("/api/auth/verify", headers=proven.headers)).status_code == 200


async def test_other_services_are_told_that_the_token_counts_for_nothing(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa="all"))
    login = await add_and_log_in(service)
    asking, _ = await add_with_app(service, clock, "api@wutang.example", scopes=["tokens:introspect"])
    for token in (login.access_token, login.refresh_token):
        response = await service.client.post("/api/auth/introspect", data={"token": token}, headers=asking.headers)
        assert response.json() == {"active": False}


async def test_a_legacy_token_becomes_a_session_that_adds_one(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(**legacy_settings(), mfa="all"))
    user_id = await add_taken_over(service)
    token = legacy_token(user_id)
    assert (await get_me(service, token)).status_code == 403
    login = token_pair(await put_refresh(service, token))
    assert (await me(service, login)).status_code == 403
    await make_stale(service.settings)
    assert (await service.client.post("/api/auth/factors/totp", headers=login.headers)).status_code == 403
    body = {"password": PASSWORD}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
    await add_app(service, login, clock)
    success(await me(service, login))
