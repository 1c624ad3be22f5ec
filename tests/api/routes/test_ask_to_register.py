"""Asking for a registration over HTTP."""

import pytest

from support.database import count_users, prolong_waits
from support.http import assert_refused, success
from support.mail import Mailbox, text_of, waiting_mails
from support.services import Instance, Start
from support.users import add_user


async def ask(service: Instance, email: str, **headers: str) -> object:
    return success(await service.client.post("/api/auth/register", json={"email": email}, headers=headers))


async def test_who_asks_gets_a_mail_and_no_account(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    assert await ask(service, "Grace@Wutang.example") is None
    assert await mailbox.token(service, "register")
    assert await count_users(service.settings) == 0


async def test_who_has_an_account_is_told_so_at_the_stored_address(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings, "kay@wutang.example")
    assert await ask(service, "\N{KELVIN SIGN}ay@wutang.example") is None
    [mail] = await mailbox.all(service)
    assert mail["To"] == "kay@wutang.example"
    assert "#" not in text_of(mail)


async def test_who_was_shut_out_gets_no_mail(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings, disabled=True)
    await ask(service, "ada@wutang.example")
    assert await mailbox.all(service) == []


async def test_only_addresses_of_certain_domains_may_register(start: Start, mailbox: Mailbox) -> None:
    domains = {"registration": "domains", "registration_domains": ("wutang.example", "xn--mnchen-3ya.example")}
    service = await start(**mailbox.settings(**domains))
    await ask(service, "grace@WUTANG.example")
    await ask(service, "grace@münchen.example")
    for email in ("grace@elsewhere.example", "grace@sub.wutang.example"):
        response = await service.client.post("/api/auth/register", json={"email": email})
        [error] = assert_refused(response, 422, 10001)["errors"]
        assert error["field"] == "email"
    assert len(await mailbox.all(service)) == 2


async def test_a_recipient_gets_three_mails_then_has_to_wait(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    for email in ("nobody@wutang.example", "ada@wutang.example"):
        for _ in range(3):
            await ask(service, email)
        await ask(service, f"{email}.example")
    await prolong_waits(service.settings)
    for email in ("nobody@wutang.example", "ADA@wutang.example"):
        response = await service.client.post("/api/auth/register", json={"email": email})
        assert_refused(response, 429, 40001)
        assert 3600 < int(response.headers["retry-after"]) <= 3661
    assert len(await mailbox.all(service)) == 8


async def test_an_address_may_ask_twenty_times(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    statuses = [
        (await service.client.post("/api/auth/register", json={"email": f"user{n}@wutang.example"})).status_code
        for n in range(21)
    ]
    assert statuses == [200] * 20 + [429]


@pytest.mark.parametrize("mail_is_on", [True, False])
async def test_where_nobody_may_register_there_is_no_such_route(
    start: Start, mailbox: Mailbox, mail_is_on: bool
) -> None:
    service = await start(**mailbox.settings(registration="off") if mail_is_on else {})
    for method in ("POST", "PUT", "GET"):
        response = await service.client.request(method, "/api/auth/register", json={"email": "x@wutang.example"})
        assert_refused(response, 404, 40004)
    assert await waiting_mails(service.settings) == []
