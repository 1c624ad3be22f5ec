"""Asking for a link that verifies the address over HTTP."""

from support.database import query
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Start
from support.users import add_and_log_in


async def test_the_user_s_own_address_gets_the_link(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    assert success(await service.client.post("/api/auth/email/verification", headers=login.headers)) is None
    [mail] = await mailbox.all(service)
    assert mail["To"] == "ada@wutang.example"


async def test_a_verified_address_gets_none(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    await query(service.settings, "UPDATE users SET email_verified_at = now()")
    success(await service.client.post("/api/auth/email/verification", headers=login.headers))
    assert await mailbox.all(service) == []


async def test_nobody_but_the_user_asks(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    assert_refused(await service.client.post("/api/auth/email/verification"), 401, 40001)
