"""Asking for a new password over HTTP."""

import pytest
from pydantic import SecretStr

from support.database import as_role, query, roles_of
from support.http import assert_refused, success
from support.mail import Mailbox, text_of, waiting_mails
from support.services import Instance, Start
from support.users import add_user


async def ask(service: Instance, email: str, **headers: str) -> None:
    response = await service.client.post("/api/auth/password/reset", json={"email": email}, headers=headers)
    assert success(response) is None


async def test_whoever_asks_gets_the_same_answer_and_only_users_get_mail(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    await add_user(service.settings, "grace@wutang.example", disabled=True)
    for email in ("ada@wutang.example", "grace@wutang.example", "nobody@wutang.example"):
        await ask(service, email)
    [mail] = await mailbox.all(service)
    assert mail["To"] == "ada@wutang.example"


async def test_the_mail_goes_to_the_stored_address_and_to_no_twin_of_it(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings, "kay@wutang.example")
    await ask(service, "\N{KELVIN SIGN}AY@wutang.example")
    await ask(service, "\N{FULLWIDTH LATIN SMALL LETTER K}ay@wutang.example")
    assert [mail["To"] for mail in await mailbox.all(service)] == ["kay@wutang.example"] * 2


@pytest.mark.parametrize(("language", "subject"), [("en-GB", "A new password"), ("zh-TW", "新密码"), ("fr", "新密码")])
async def test_the_mail_is_in_the_language_of_the_request(
    start: Start, mailbox: Mailbox, language: str, subject: str
) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    await ask(service, "ada@wutang.example", **{"Accept-Language": language})
    [mail] = await mailbox.all(service)
    assert subject in mail["Subject"]


async def test_the_host_header_is_never_in_a_mail(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    await ask(service, "ada@wutang.example", **hostile)
    [mail] = await mailbox.all(service)
    assert "evil" not in mail.as_string() + text_of(mail)


@pytest.mark.parametrize("path", ["/api/auth/password/reset", "/api/auth/register"])
async def test_no_account_is_looked_up_for_the_answer(
    start: Start, mailbox: Mailbox, database_url: str, path: str
) -> None:
    """A role that can write requests down, and read nothing of users, answers all the same."""
    await add_user(database_url)
    async with roles_of(database_url, "writer") as roles:
        for grant in ("INSERT ON mails", "SELECT, INSERT, UPDATE ON attempts"):
            await query(database_url, f"GRANT {grant} TO {roles['writer']}")
        service = await start(**mailbox.settings(), database_url=SecretStr(as_role(database_url, roles["writer"])))
        for email in ("ada@wutang.example", "nobody@wutang.example"):
            assert success(await service.client.post(path, json={"email": email})) is None
    assert len(await waiting_mails(database_url)) == 2


async def test_without_a_mail_server_there_is_no_such_route(service: Instance) -> None:
    response = await service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"})
    assert_refused(response, 404, 40004)
    assert await waiting_mails(service.settings) == []
