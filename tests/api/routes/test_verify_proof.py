"""Verify: a second factor and a fresh proof, where a gateway asks for them."""

import asyncio
from typing import Any

import httpx
import pytest

from support.database import query, unreachable
from support.factors import Clock, add_with_app, make_stale
from support.http import assert_refused, success
from support.legacy import add_taken_over, get_me, legacy_token, put_refresh, start_legacy
from support.services import Instance, Start
from support.tokens import bearer, claims_of
from support.users import PASSWORD, Login, add_and_log_in, token_pair

PATH = "/api/auth/verify"
STEP_UP = 'Bearer realm="wutang-auth", error="insufficient_user_authentication"'
BY_TWO_FACTORS = "UPDATE sessions SET amr = ARRAY['pwd', 'otp', 'mfa']"
LATER = "UPDATE sessions SET authenticated_at = authenticated_at - interval '301 s'"
NOW = "UPDATE sessions SET authenticated_at = now()"
NOBODY_KNOWS = "UPDATE sessions SET authenticated_at = NULL"

each_way = pytest.mark.parametrize(
    "settings_given",
    [{}, {"mfa": "optional"}, {"verify_staleness": 10.0}, {"mfa": "optional", "verify_staleness": 10.0}],
    ids=["off", "on", "off, from memory", "on, from memory"],
)


async def verify(instance: Instance, login: Login, path: str = PATH, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await instance.client.get(path, headers={**login.headers, **named})


async def started(start: Start, settings_given: dict[str, Any]) -> tuple[Instance, Login]:
    """A service, and a login that it answers from memory about, where it does so."""
    service = await start(**settings_given)
    login = await add_and_log_in(service, scopes=["orders:read"])
    assert (await verify(service, login)).status_code == 200
    if "verify_staleness" in settings_given:
        await asyncio.sleep(0.2)
    return service, login


def assert_asks(response: httpx.Response, *, max_age: int | None = None, amr: list[str] | None = None) -> None:
    assert (response.status_code, response.json()["code"]) == (403, 40003), response.text
    asked = response.json()["data"]["reauthenticate"]
    assert asked["max_age"] == max_age
    assert asked["methods"][0] == "password"
    assert asked.get("amr") == amr
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith(STEP_UP)
    assert (f'max_age="{max_age}"' in challenge) == (max_age is not None)
    assert (f'error_description="Asks for a proof by {" ".join(amr or [])}"' in challenge) == (amr is not None)
    assert "x-user-id" not in response.headers


@each_way
async def test_a_second_factor_can_be_asked_for(start: Start, settings_given: dict[str, Any]) -> None:
    service, login = await started(start, settings_given)
    asked = [f"{PATH}?required_amr=mfa", f"{PATH}?required_amr=pwd%20otp&required_amr=mfa"]
    assert (await verify(service, login, f"{PATH}?required_amr=pwd")).status_code == 200
    assert_asks(await verify(service, login, asked[0]), amr=["mfa"])
    assert_asks(await verify(service, login, asked[1]), amr=["pwd", "otp", "mfa"])
    assert_asks(await verify(service, login, f"{PATH}/orders", X_Required_Amr="mfa"), amr=["mfa"])
    await query(service.settings, BY_TWO_FACTORS)
    for path in asked:
        assert (await verify(service, login, path)).status_code == 200
    assert (await verify(service, login, f"{PATH}/orders", X_Required_Amr="mfa otp")).status_code == 200


@each_way
async def test_a_fresh_proof_can_be_asked_for(start: Start, settings_given: dict[str, Any]) -> None:
    service, login = await started(start, settings_given)
    asked = f"{PATH}?max_age=300"
    assert (await verify(service, login, asked)).status_code == 200
    assert (await verify(service, login, f"{PATH}/orders", X_Max_Age="300")).status_code == 200
    login = await refreshed_later(service, login)
    assert_asks(await verify(service, login, asked), max_age=300)
    assert_asks(await verify(service, login, f"{PATH}/orders", X_Max_Age="300"), max_age=300)
    assert (await verify(service, login, f"{PATH}?max_age=3600")).status_code == 200
    assert_asks(await verify(service, login, f"{PATH}?max_age=3600&max_age=60", X_Max_Age="300"), max_age=60)
    await query(service.settings, NOBODY_KNOWS)
    assert_asks(await verify(service, login, asked), max_age=300)
    await query(service.settings, NOW)  # as `reauthenticate` does; the token is the same
    assert (await verify(service, login, asked)).status_code == 200


async def refreshed_later(service: Instance, login: Login) -> Login:
    """The next tokens of a login that was five minutes before."""
    await query(service.settings, LATER)
    later = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    assert (await verify(service, later)).status_code == 200
    return later


@each_way
async def test_both_can_be_asked_for(start: Start, settings_given: dict[str, Any]) -> None:
    service, login = await started(start, settings_given)
    asked = f"{PATH}?required_amr=mfa&max_age=300"
    assert_asks(await verify(service, login, asked), max_age=300, amr=["mfa"])
    await query(service.settings, BY_TWO_FACTORS)
    assert (await verify(service, login, asked)).status_code == 200
    login = await refreshed_later(service, login)
    assert_asks(await verify(service, login, asked), max_age=300, amr=["mfa"])


async def test_who_has_an_app_is_told_that_its_code_is_needed(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    asked = f"{PATH}?required_amr=mfa&max_age=300"
    assert (await verify(service, login, asked)).status_code == 200
    await make_stale(service.settings)
    refused = await verify(service, login, asked)
    assert_asks(refused, max_age=300, amr=["mfa"])
    assert refused.json()["data"]["reauthenticate"]["methods"] == ["password", "totp"]
    proof = {"password": PASSWORD, "code": app.code()}
    success(await service.client.post("/api/auth/reauthenticate", json=proof, headers=login.headers))
    assert (await verify(service, login, asked)).status_code == 200


async def test_what_lacks_in_scopes_is_told_first(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await verify(service, login, f"{PATH}?required_scope=orders:read&required_amr=mfa&max_age=1")
    assert_refused(response, 403, 40003)
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


async def test_below_the_path_the_query_is_the_clients_own(service: Instance) -> None:
    login = await add_and_log_in(service)
    for path in (f"{PATH}/orders?required_amr=mfa", f"{PATH}/orders?max_age=nonsense", f"{PATH}/?required_amr=NO"):
        assert (await verify(service, login, path)).status_code == 200


async def test_nothing_is_asked_by_empty_values(service: Instance) -> None:
    login = await add_and_log_in(service)
    assert (await verify(service, login, f"{PATH}?required_amr=&max_age=")).status_code == 200
    assert (await verify(service, login, f"{PATH}/x", X_Required_Amr="", X_Max_Age="")).status_code == 200


@pytest.mark.parametrize(
    ("query_name", "header", "value"),
    [("required_amr", "X-Required-Amr", value) for value in ("MFA", "hwk", "mfa,otp", "*", "pwd mfa 王", "%00")]
    + [
        ("max_age", "X-Max-Age", value)
        for value in ("0", "-1", "+1", "1.5", "1e3", "0300", "１２", "1000000000", "300 s", "x")
    ],
)
async def test_what_cannot_be_is_refused_and_not_repeated(
    service: Instance, query_name: str, header: str, value: str
) -> None:
    login = await add_and_log_in(service)
    by_query = await service.client.get(PATH, params={query_name: value}, headers=login.headers)
    sent = [(header.encode(), value.encode()), (b"Authorization", login.headers["Authorization"].encode())]
    by_header = await service.client.get(f"{PATH}/orders", headers=sent)
    for response, field in ((by_query, query_name), (by_header, header)):
        errors = assert_refused(response, 422, 10001)["errors"]
        assert [error["field"] for error in errors] == [field]
        assert "www-authenticate" not in response.headers


async def test_from_memory_the_token_is_believed_and_the_row_asked_only_where_it_does_not_do(start: Start) -> None:
    service = await start(mfa="optional", verify_staleness=30.0, db_connect_timeout=0.5)
    by_password = await add_and_log_in(service)
    await query(service.settings, BY_TWO_FACTORS)
    by_two = token_pair(await service.client.put("/api/auth/refresh", headers=by_password.headers))
    assert claims_of(by_two.access_token)["amr"] == ["pwd", "otp", "mfa"]
    assert (await verify(service, by_two)).status_code == 200
    await asyncio.sleep(0.2)
    async with unreachable(service.settings):
        assert (await verify(service, by_two, f"{PATH}?required_amr=mfa&max_age=300")).status_code == 200
        assert (await verify(service, by_password, f"{PATH}?max_age=300")).status_code == 200
        assert_refused(await verify(service, by_password, f"{PATH}?required_amr=mfa"), 503, 50001)


async def test_a_legacy_token_proves_a_password_at_its_iat(start: Start) -> None:
    service = await start_legacy(start, mfa="optional")
    user_id = await add_taken_over(service)
    fresh, old = legacy_token(user_id, age=60), legacy_token(user_id, age=600)
    for token, path, status in (
        (fresh, f"{PATH}?max_age=300", 200),
        (old, f"{PATH}?max_age=300", 403),
        (fresh, f"{PATH}?required_amr=pwd", 200),
        (fresh, f"{PATH}?required_amr=mfa", 403),
    ):
        assert (await service.client.get(path, headers=bearer(token))).status_code == status
    assert success(await get_me(service, fresh))["amr"] == ["pwd"]
    adopted = token_pair(await put_refresh(service, old))
    claims = claims_of(adopted.access_token)
    assert claims["amr"] == ["pwd"]
    assert claims["auth_time"] < claims["iat"] - 500
