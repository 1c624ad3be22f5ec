"""Verifying an address by the link of a mail over HTTP."""

from support.database import change_users
from support.http import assert_refused, success
from support.mail import Mailbox, token_in
from support.services import Start
from support.users import CREDENTIALS, add_and_log_in, add_user, log_in, me

PATH = "/api/auth/email/verification"


async def test_the_link_verifies_once_without_a_session(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    success(await service.client.post(PATH, headers=login.headers))
    token = await mailbox.token(service, "verify")
    assert success(await service.client.put(PATH, json={"token": token})) is None
    assert success(await me(service, login))["email_verified_at"] is not None
    assert_refused(await service.client.put(PATH, json={"token": token}), 409, 10003)


async def test_the_link_of_another_address_verifies_nothing(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    success(await service.client.post(PATH, headers=login.headers))
    token = await mailbox.token(service, "verify")
    await change_users(service.settings, email="x@x.example", canonical_email="x@x.example")
    assert_refused(await service.client.put(PATH, json={"token": token}), 409, 10003)
    assert success(await me(service, login))["email_verified_at"] is None


async def test_who_must_verify_to_log_in_gets_the_link_by_the_right_password(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(login_needs_verified_email=True))
    await add_user(service.settings)
    wrong = await service.client.post("/api/auth/login", json=CREDENTIALS | {"password": "wrong"})
    assert_refused(wrong, 401, 10003)
    for _ in range(5):
        assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 403, 40003)
    mails = await mailbox.all(service)
    assert [mail["To"] for mail in mails] == ["ada@wutang.example"] * 3, "the recipient's throttle holds here too"
    success(await service.client.put(PATH, json={"token": token_in(mails[0], "verify")}))
    await log_in(service.client)
