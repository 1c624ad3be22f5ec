"""Confirming another address by the link of a mail over HTTP."""

import asyncio
from email.message import EmailMessage

import httpx

from support.database import change_users
from support.http import assert_refused, success
from support.mail import Mailbox, text_of, token_in
from support.services import Instance, Start
from support.users import PASSWORD, Login, add_and_log_in, add_user, log_in, me

NEW = "new@wutang.example"


async def asked(service: Instance, mailbox: Mailbox, login: Login, email: str = NEW) -> dict[str, EmailMessage]:
    success(await service.client.put("/api/auth/email", json={"email": email}, headers=login.headers))
    return {mail["To"]: mail for mail in await mailbox.all(service)}


async def confirm(service: Instance, token: str) -> httpx.Response:
    return await service.client.put("/api/auth/email/confirmation", json={"token": token})


async def test_the_new_address_counts_from_then_on(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    token = token_in((await asked(service, mailbox, login))[NEW], "email_change")
    assert success(await confirm(service, token)) is None
    user = success(await me(service, login))
    assert (user["email"], user["email_verified_at"] is None) == (NEW, False)
    await log_in(service.client, NEW)
    await add_user(service.settings)  # the old address is free
    assert_refused(await confirm(service, token), 409, 10003)


async def test_an_address_that_was_taken_meanwhile_is_told(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    token = token_in((await asked(service, mailbox, login))[NEW], "email_change")
    await add_user(service.settings, NEW)
    assert_refused(await confirm(service, token), 409, 10003)
    assert success(await me(service, login))["email"] == "ada@wutang.example"


async def test_of_two_users_who_confirm_one_address_at_once_one_gets_it(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    tokens = []
    for email in ("ada@wutang.example", "grace@wutang.example"):
        login = await add_and_log_in(service, email)
        tokens.append(token_in((await asked(service, mailbox, login))[NEW], "email_change"))
    answers = await asyncio.gather(*(confirm(service, token) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    await log_in(service.client, NEW)


async def test_a_link_from_before_another_change_is_dead(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    token = token_in((await asked(service, mailbox, login))[NEW], "email_change")
    await change_users(service.settings, email="x@x.example", canonical_email="x@x.example")
    assert_refused(await confirm(service, token), 409, 10003)


async def test_a_reset_kills_a_change_that_was_asked_for(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    token = token_in((await asked(service, mailbox, login))[NEW], "email_change")
    success(await service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"}))
    body = {"token": await mailbox.token(service, "reset"), "password": "seven small violet umbrellas"}
    success(await service.client.put("/api/auth/password/reset", json=body))
    assert_refused(await confirm(service, token), 409, 10003)


async def test_a_new_password_kills_a_change_that_was_asked_for(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    body = {"current_password": PASSWORD, "new_password": "another fine passphrase"}
    success(await service.client.put("/api/auth/password", json=body, headers=login.headers))
    assert_refused(await confirm(service, token_in(mails[NEW], "email_change")), 409, 10003)


async def test_where_both_must_confirm_the_old_address_is_asked_first(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(email_change="both"))
    login = await add_and_log_in(service)
    success(await service.client.put("/api/auth/email", json={"email": NEW}, headers=login.headers))
    mails = await mailbox.all(service)
    assert {mail["To"] for mail in mails} == {"ada@wutang.example"}
    [token] = [token_in(mail, "email_agree") for mail in mails if "#email_agree=" in text_of(mail)]
    success(await confirm(service, token))
    assert success(await me(service, login))["email"] == "ada@wutang.example"
    success(await confirm(service, await mailbox.token(service, "email_change")))
    assert success(await me(service, login))["email"] == NEW
