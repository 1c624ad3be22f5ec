"""What a link is for, over HTTP."""

from support.database import query
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Start
from support.users import add_user


async def test_a_link_is_shown_as_often_as_one_likes(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    success(await service.client.post("/api/auth/password/reset", json={"email": "ADA@wutang.example"}))
    token = await mailbox.token(service, "reset")
    for _ in range(3):
        found = success(await service.client.post("/api/auth/links", json={"token": token}))
        assert (found["purpose"], found["email"]) == ("reset", "ada@wutang.example")
        assert found["expires_at"].endswith("Z")


async def test_a_dead_link_is_not_found(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    success(await service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"}))
    token = await mailbox.token(service, "reset")
    for dead in (token[:-1], f"{token}A", token.swapcase(), "x"):
        assert_refused(await service.client.post("/api/auth/links", json={"token": dead}), 404, 40004)
    await query(service.settings, "UPDATE mail_tokens SET expires_at = now()")
    assert_refused(await service.client.post("/api/auth/links", json={"token": token}), 404, 40004)
    assert_refused(await service.client.post("/api/auth/links", json={"token": ""}), 422, 10001)
