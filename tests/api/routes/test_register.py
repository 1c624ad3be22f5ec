"""Registering by the link of a mail over HTTP."""

import pytest

from support.database import count_users
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Instance, Start
from support.users import NEW_PASSWORD, add_user, log_in

EMAIL = "grace@wutang.example"


async def asked(service: Instance, mailbox: Mailbox, email: str = EMAIL) -> str:
    success(await service.client.post("/api/auth/register", json={"email": email}))
    return await mailbox.token(service, "register")


async def test_the_mailbox_answers_and_the_account_begins(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    token = await asked(service, mailbox, "Grace@wutang.example")
    body = {"token": token, "name": "Grace", "password": NEW_PASSWORD}
    user = success(await service.client.put("/api/auth/register", json=body), 201)
    assert (user["email"], user["name"], user["scopes"]) == ("Grace@wutang.example", "Grace", [])
    assert user["email_verified_at"] is not None
    await log_in(service.client, EMAIL, NEW_PASSWORD)
    assert_refused(await service.client.put("/api/auth/register", json=body), 409, 10003)


async def test_a_password_that_breaks_a_rule_does_not_use_up_the_link(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    token = await asked(service, mailbox)
    for password in ("short", EMAIL, "Amazing Grace"):
        body = {"token": token, "name": "Amazing Grace", "password": password}
        [error] = assert_refused(await service.client.put("/api/auth/register", json=body), 422, 10001)["errors"]
        assert error["field"] == "password"
    success(await service.client.put("/api/auth/register", json=body | {"password": NEW_PASSWORD}), 201)


async def test_an_address_that_was_taken_meanwhile_is_told(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    token = await asked(service, mailbox)
    await add_user(service.settings, EMAIL)
    body = {"token": token, "password": NEW_PASSWORD}
    assert_refused(await service.client.put("/api/auth/register", json=body), 409, 10003)
    assert await count_users(service.settings) == 1


@pytest.mark.parametrize("token", ["x", "\N{SNOWMAN}", "A" * 43, "A" * 1024])
async def test_a_token_that_never_was_is_dead(start: Start, mailbox: Mailbox, token: str) -> None:
    service = await start(**mailbox.settings())
    body = {"token": token, "password": NEW_PASSWORD}
    assert_refused(await service.client.put("/api/auth/register", json=body), 409, 10003)


async def test_the_link_for_a_password_registers_nobody(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    success(await service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"}))
    body = {"token": await mailbox.token(service, "reset"), "password": NEW_PASSWORD}
    assert_refused(await service.client.put("/api/auth/register", json=body), 409, 10003)
