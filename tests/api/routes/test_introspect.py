"""Introspection: other services are told whether a token counts, and nothing of those that do not."""

import pytest

from support.database import change_users, delete_users, disable_behind_the_back, expire_sessions
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import EXPIRED, bearer, claims_of, forge
from support.users import Login, add_and_log_in, token_pair

PATH = "/api/auth/introspect"


async def service_of_orders(instance: Instance) -> Login:
    return await add_and_log_in(instance, "orders@wutang.example", scopes=["tokens:introspect"])


async def introspected(instance: Instance, caller: Login, token: str) -> dict[str, object]:
    response = await instance.client.post(PATH, data={"token": token}, headers=caller.headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    document: dict[str, object] = response.json()
    return document


async def test_access_token_is_told_of_in_full(service: Instance) -> None:
    caller = await service_of_orders(service)
    login = await add_and_log_in(service, scopes=["orders:read", "orders:write"])
    told = await introspected(service, caller, login.access_token)
    claims = claims_of(login.access_token)
    assert told == {
        "active": True, "token_type": "Bearer", "scope": "orders:read orders:write", "sub": str(login.user_id),
        **{name: claims[name] for name in ("client_id", "exp", "iat", "nbf", "aud", "iss", "jti", "sid")},
    }  # fmt: skip


async def test_where_there_are_second_factors_it_is_told_how_and_when_it_was_proven_who_it_is(start: Start) -> None:
    service = await start(mfa="optional")
    caller, login = await service_of_orders(service), await add_and_log_in(service)
    told, claims = await introspected(service, caller, login.access_token), claims_of(login.access_token)
    assert (told["amr"], told["auth_time"]) == (["pwd"], claims["auth_time"])
    assert not {"amr", "auth_time"} & {*await introspected(service, caller, login.refresh_token)}


async def test_refresh_token_is_no_bearer_token(service: Instance) -> None:
    caller, login = await service_of_orders(service), await add_and_log_in(service)
    told = await introspected(service, caller, login.refresh_token)
    assert (told["active"], told["aud"], told["scope"]) == (True, service.settings.issuer, "")
    assert not {"token_type", "client_id"} & told.keys()


async def test_scopes_are_those_of_now(service: Instance) -> None:
    caller, login = await service_of_orders(service), await add_and_log_in(service, scopes=["orders:read"])
    await change_users(service.settings, user_id=login.user_id, scopes=["parcels:read"])
    assert (await introspected(service, caller, login.access_token))["scope"] == "parcels:read"


async def test_of_what_does_not_count_nothing_is_told(service: Instance) -> None:
    caller, login = await service_of_orders(service), await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    for token in ("", "nonsense", "\x00", "a.b.c", login.access_token[:-4] + "AAAA", expired):
        assert await introspected(service, caller, token) == {"active": False}
    success(await service.client.delete("/api/auth/logout", headers=login.headers))
    for token in (login.access_token, login.refresh_token):
        assert await introspected(service, caller, token) == {"active": False}


@pytest.mark.parametrize("end", [disable_behind_the_back, delete_users, expire_sessions])
async def test_callers_own_token_has_to_count(service: Instance, end: object) -> None:
    caller = await service_of_orders(service)
    assert callable(end)
    await end(service.settings)
    response = await service.client.post(PATH, data={"token": caller.access_token}, headers=caller.headers)
    assert response.status_code == 401


async def test_replaced_token_is_active_until_its_grace_ends_and_to_ask_is_no_use(start: Start) -> None:
    service = await start(refresh_grace=0)
    caller, login = await service_of_orders(service), await add_and_log_in(service)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    for token in (newest.access_token, newest.refresh_token, login.access_token, login.refresh_token):
        assert (await introspected(service, caller, token))["active"] is True
    success(await service.client.get("/api/auth/me", headers=newest.headers))
    for token in (login.access_token, login.refresh_token):
        assert await introspected(service, caller, token) == {"active": False}
    assert (await introspected(service, caller, newest.access_token))["active"] is True


async def test_caller_needs_the_scope(service: Instance) -> None:
    login = await add_and_log_in(service)
    assert_refused(await service.client.post(PATH, data={"token": login.access_token}), 401, 40001)
    response = await service.client.post(PATH, data={"token": login.access_token}, headers=login.headers)
    assert_refused(response, 403, 40003)
    assert 'scope="tokens:introspect"' in response.headers["www-authenticate"]


async def test_missing_token_is_refused_and_hints_are_ignored(service: Instance) -> None:
    caller = await service_of_orders(service)
    response = await service.client.post(PATH, data={"token_type_hint": "x"}, headers=caller.headers)
    assert [error["field"] for error in assert_refused(response, 422, 10001)["errors"]] == ["token"]
    hinted = {"token": caller.access_token, "token_type_hint": "refresh_token"}
    assert (await service.client.post(PATH, data=hinted, headers=caller.headers)).json()["active"] is True
