"""Asking for another address over HTTP."""

import asyncio

import pytest

from support.database import transaction, wait_for_lock_waiters
from support.http import assert_refused, success
from support.mail import Mailbox, text_of, token_in, waiting_mails
from support.services import Instance, Start
from support.users import Login, add_and_log_in, add_user, me


async def ask(service: Instance, login: Login, email: str) -> None:
    response = await service.client.put("/api/auth/email", json={"email": email}, headers=login.headers)
    assert success(response) is None


async def test_nothing_changes_and_both_addresses_get_a_mail(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    await ask(service, login, "new@wutang.example")
    mails = {mail["To"]: mail for mail in await mailbox.all(service)}
    assert token_in(mails["new@wutang.example"], "email_change")
    assert token_in(mails["ada@wutang.example"], "email_undo")
    assert success(await me(service, login))["email"] == "ada@wutang.example"


async def test_a_taken_address_gets_the_same_answer_and_its_owner_is_told(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings, "grace@wutang.example")
    login = await add_and_log_in(service)
    await ask(service, login, "GRACE@wutang.example")
    mails = {mail["To"]: mail for mail in await mailbox.all(service)}
    assert "#" not in text_of(mails["grace@wutang.example"])
    assert token_in(mails["ada@wutang.example"], "email_undo")


@pytest.mark.parametrize("email", ["", "x", None, 5, "a@b@c", "x@"])
async def test_what_is_no_address_is_not_understood(start: Start, mailbox: Mailbox, email: object) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    response = await service.client.put("/api/auth/email", json={"email": email}, headers=login.headers)
    assert_refused(response, 422, 10001)


async def test_nobody_but_the_user_asks(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    response = await service.client.put("/api/auth/email", json={"email": "new@wutang.example"})
    assert_refused(response, 401, 40001)


async def test_who_is_shut_out_meanwhile_asks_for_no_change(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    body = {"email": "new@wutang.example"}
    async with transaction(service.settings) as owner:
        await owner.execute("UPDATE users SET password_hash = '!'")
        await owner.execute("DELETE FROM sessions")
        answer = asyncio.create_task(service.client.put("/api/auth/email", json=body, headers=login.headers))
        await wait_for_lock_waiters(service.settings)
    assert (await answer).status_code == 403
    assert await waiting_mails(service.settings) == []
