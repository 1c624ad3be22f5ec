"""Giving the password once more over HTTP, and what asks for it."""

import asyncio
from functools import partial

import httpx
import pytest
from passlib.hash import bcrypt

from support.database import attempts_of, forget_attempts, query, store_hash, stored_hash
from support.factors import Clock, add_with_app, make_stale
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Instance, Start
from support.users import PASSWORD, Login, add_and_log_in

STALE = "UPDATE sessions SET authenticated_at = authenticated_at - interval '301 s'"


async def change(service: Instance, login: Login) -> int:
    body = {"email": "new@wutang.example"}
    response = await service.client.put("/api/auth/email", json=body, headers=login.headers)
    if response.status_code == 403:
        assert response.json() == {
            "code": 40003,
            "message": "权限不足",
            "data": {"reauthenticate": {"max_age": 300, "methods": ["password"]}},
        }
        challenge = response.headers["www-authenticate"]
        assert challenge.startswith("Bearer ")
        assert challenge.endswith('error="insufficient_user_authentication", max_age="300"')
    return response.status_code


async def reauthenticate(service: Instance, login: Login, password: str = PASSWORD) -> httpx.Response:
    body = {"password": password}
    return await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers)


async def test_the_password_makes_a_session_fresh_again(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    assert await change(service, login) == 200
    await query(service.settings, STALE)
    assert await change(service, login) == 403
    assert success(await reauthenticate(service, login)) is None
    assert await change(service, login) == 200


async def test_a_session_of_which_nobody_knows_is_not_fresh(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    await query(service.settings, "UPDATE sessions SET authenticated_at = NULL")
    assert await change(service, login) == 403


async def test_a_wrong_password_counts_as_an_attempt_to_log_in(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(), throttle_account_failures=3)
    login = await add_and_log_in(service)
    await query(service.settings, STALE)
    statuses = []
    for _ in range(8):
        response = await reauthenticate(service, login, "wrong")
        statuses.append(response.status_code)
        assert_refused(response, response.status_code, 10003 if response.status_code == 409 else 40001)
    assert statuses[:3] == [409] * 3
    assert 429 in statuses
    assert await change(service, login) == 403


@pytest.mark.parametrize("body", [{}, {"password": None}, {"password": ""}, {"password": 5}])
async def test_without_a_password_it_is_not_understood(start: Start, mailbox: Mailbox, body: dict[str, object]) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    response = await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers)
    assert_refused(response, 422, 10001)


async def test_hash_upgraded_by_a_login_meanwhile_does_not_refuse_the_proof(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    upgraded = await stored_hash(service.settings)
    await store_hash(service.settings, bcrypt.using(rounds=11, ident="2y").hash(PASSWORD))
    await forget_attempts(service.settings)
    answer = asyncio.create_task(reauthenticate(service, login))
    while not await attempts_of(service.settings):  # noqa: ASYNC110 -- PostgreSQL has no event for it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # while the password is compared
    await store_hash(service.settings, upgraded)
    success(await answer)


async def test_a_refused_proof_is_one_line_of_the_audit_trail(
    start: Start, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    with caplog.at_level("INFO", "wutang_auth.audit"):
        assert_refused(await reauthenticate(service, login, "wrong"), 409, 10003)
    [line] = [record.fields for record in caplog.records]  # type: ignore[attr-defined]  # it has them
    assert line["event"] == "reauthentication_failed"
    assert (line["user_id"], line["session_id"], line["reason"]) == (1, str(login.session_id), "wrong password")


async def test_who_has_an_app_gives_both(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    await make_stale(service.settings)
    send = partial(service.client.post, "/api/auth/reauthenticate", headers=login.headers)
    refused = assert_refused(await send(json={"password": PASSWORD}), 422, 10001)
    assert refused["errors"] == [{"field": "code", "message": "必须填写"}]
    assert_refused(await send(json={"password": PASSWORD, "code": app.wrong_code()}), 409, 10003)
    assert_refused(await send(json={"password": "wrong", "code": app.code()}), 409, 10003)
    assert (await service.client.post("/api/auth/factors/recovery-codes", headers=login.headers)).status_code == 403
    assert success(await send(json={"password": PASSWORD, "code": app.code()})) is None
    success(await service.client.post("/api/auth/factors/recovery-codes", headers=login.headers))
    assert_refused(await send(json={"password": PASSWORD, "code": app.code()}), 409, 10003)


async def test_it_is_there_with_second_factors_and_without_mail(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    await make_stale(service.settings)
    body = {"password": PASSWORD}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
    success(await service.client.post("/api/auth/factors/totp", headers=login.headers))


async def test_guesses_at_the_code_are_counted_as_at_a_login(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(throttle_account_failures=3))
    login, app = await add_with_app(service, clock)
    statuses = []
    for _ in range(5):
        body = {"password": PASSWORD, "code": app.wrong_code()}
        response = await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers)
        statuses.append(response.status_code)
    assert statuses[:3] == [409] * 3
    assert 429 in statuses
