"""Giving the password once more over HTTP, and what asks for it."""

import pytest

from support.database import query
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


async def test_the_password_makes_a_session_fresh_again(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    assert await change(service, login) == 200
    await query(service.settings, STALE)
    assert await change(service, login) == 403
    response = await service.client.post("/api/auth/reauthenticate", json={"password": PASSWORD}, headers=login.headers)
    assert success(response) is None
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
        body = {"password": "wrong"}
        response = await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers)
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
