"""Undoing a change of the address by the link that the old one got, over HTTP."""

from email.message import EmailMessage

import httpx
import pytest

from support.commands import Shell
from support.database import query
from support.http import assert_refused, success
from support.mail import Mailbox, token_in
from support.services import Instance, Start
from support.users import CREDENTIALS, NEW_PASSWORD, Login, add_and_log_in, add_user, administrator, log_in, me, update

OLD, NEW = "ada@wutang.example", "new@wutang.example"


async def asked(service: Instance, mailbox: Mailbox, login: Login, email: str = NEW) -> dict[str, EmailMessage]:
    success(await service.client.put("/api/auth/email", json={"email": email}, headers=login.headers))
    return {mail["To"]: mail for mail in await mailbox.all(service)}


async def confirm(service: Instance, mail: EmailMessage) -> httpx.Response:
    body = {"token": token_in(mail, "email_change")}
    return await service.client.put("/api/auth/email/confirmation", json=body)


async def undo(service: Instance, mail: EmailMessage) -> httpx.Response:
    return await service.client.put("/api/auth/email/undo", json={"token": token_in(mail, "email_undo")})


async def assert_owner_is_back(service: Instance, mailbox: Mailbox, login: Login) -> None:
    """The session has ended, no password works, and the old address gets the link to another."""
    assert_refused(await me(service, login), 401, 40001)
    for email in (OLD, NEW):
        assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS | {"email": email}), 401, 10003)
    [mail] = await mailbox.all(service)
    assert mail["To"] == OLD
    body = {"token": token_in(mail, "reset"), "password": NEW_PASSWORD}
    success(await service.client.put("/api/auth/password/reset", json=body))
    again = await log_in(service.client, OLD, NEW_PASSWORD)
    assert success(await me(service, again))["email"] == OLD


async def test_the_old_address_comes_back_and_the_thief_is_out(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    success(await confirm(service, mails[NEW]))
    assert success(await undo(service, mails[OLD])) is None
    await assert_owner_is_back(service, mailbox, login)
    assert_refused(await undo(service, mails[OLD]), 409, 10003)


async def test_it_counts_before_the_change_too(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    success(await undo(service, mails[OLD]))
    assert_refused(await confirm(service, mails[NEW]), 409, 10003)
    await assert_owner_is_back(service, mailbox, login)


async def test_no_reset_and_no_second_change_of_a_thief_s_kills_the_way_back(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    first = await asked(service, mailbox, login)
    success(await confirm(service, first[NEW]))
    second = await asked(service, mailbox, login, "third@wutang.example")
    success(await confirm(service, second["third@wutang.example"]))
    success(await service.client.post("/api/auth/password/reset", json={"email": "third@wutang.example"}))
    body = {"token": await mailbox.token(service, "reset"), "password": "the password of a thief"}
    success(await service.client.put("/api/auth/password/reset", json=body))
    login = await log_in(service.client, "third@wutang.example", "the password of a thief")
    await mailbox.all(service)
    success(await undo(service, first[OLD]))
    assert_refused(await undo(service, second[NEW]), 409, 10003)
    await assert_owner_is_back(service, mailbox, login)


async def test_a_thief_s_own_way_back_does_not_kill_the_owner_s(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    first = await asked(service, mailbox, login)
    success(await confirm(service, first[NEW]))
    second = await asked(service, mailbox, login, "third@wutang.example")
    success(await undo(service, second[NEW]))
    await mailbox.all(service)
    success(await undo(service, first[OLD]))
    await assert_owner_is_back(service, mailbox, login)


async def test_an_old_address_that_somebody_else_has_by_now_stays_theirs(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    success(await confirm(service, mails[NEW]))
    await add_user(service.settings, OLD)
    assert_refused(await undo(service, mails[OLD]), 409, 10003)
    assert success(await me(service, login))["email"] == NEW


async def test_the_way_back_outlives_the_latest_confirmation_by_three_days(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await asked(service, mailbox, await add_and_log_in(service))
    rows = await query(service.settings, "SELECT purpose, extract(epoch FROM expires_at - now()) FROM mail_tokens")
    days = {row[0]: float(row[1]) / 86_400 for row in rows}
    assert 0.99 < days["email_change"] <= 1
    assert 3.99 < days["email_undo"] <= 4


@pytest.mark.parametrize("by", ["an administrator", "a command"])
async def test_an_address_that_somebody_in_charge_has_set_stays(
    start: Start, mailbox: Mailbox, shell: Shell, by: str
) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    success(await confirm(service, mails[NEW]))
    if by == "a command":
        assert (await shell(f"users change-email {login.user_id} set@wutang.example")).code == 0
    else:
        success(await update(service, await administrator(service), login.user_id, email="set@wutang.example"))
    assert_refused(await undo(service, mails[OLD]), 409, 10003)
    assert success(await me(service, login))["email"] == "set@wutang.example"


async def test_a_thief_with_more_rights_kills_no_way_back(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    root = await administrator(service)
    mails = await asked(service, mailbox, root)
    success(await confirm(service, mails[NEW]))
    success(await update(service, root, root.user_id, email="third@wutang.example"))
    success(await undo(service, mails["root@wutang.example"]))
    assert_refused(await me(service, root), 401, 40001)


async def test_a_late_change_leaves_three_days_to_undo_it(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    mails = await asked(service, mailbox, login)
    ends_soon = "UPDATE mail_tokens SET expires_at = now() + interval '1 hour' WHERE purpose = 'email_undo'"
    await query(service.settings, ends_soon)
    success(await confirm(service, mails[NEW]))
    [row] = await query(service.settings, "SELECT extract(epoch FROM expires_at - now()) FROM mail_tokens")
    assert 71 < float(row[0]) / 3600 <= 72
