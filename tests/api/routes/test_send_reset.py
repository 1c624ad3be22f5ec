"""An administrator has the link to a new password sent, over HTTP."""

from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Instance, Start
from support.users import NEW_PASSWORD, add_user, administrator, log_in


async def test_the_user_chooses_the_password(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(language="en"))
    root = await administrator(service)
    ada = await add_user(service.settings)
    path = f"/api/users/{ada.id}/reset"
    assert success(await service.client.post(path, headers=root.headers)) is None
    await log_in(service.client)  # the old one works until then
    token = await mailbox.token(service, "reset")
    body = {"token": token, "password": NEW_PASSWORD}
    success(await service.client.put("/api/auth/password/reset", json=body))
    await log_in(service.client, password=NEW_PASSWORD)


async def test_it_asks_for_the_scope_and_for_a_user(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    reader = await administrator(service, ["users:read"])
    assert_refused(await service.client.post("/api/users/1/reset", headers=reader.headers), 403, 40003)
    assert_refused(await service.client.post("/api/users/1/reset"), 401, 40001)


async def test_of_a_stranger_nothing_is_sent(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    root = await administrator(service)
    for user_id in ("999", "x"):
        assert_refused(await service.client.post(f"/api/users/{user_id}/reset", headers=root.headers), 404, 40004)


async def test_without_a_mail_server_there_is_no_such_route(service: Instance) -> None:
    root = await administrator(service)
    assert_refused(await service.client.post(f"/api/users/{root.user_id}/reset", headers=root.headers), 404, 40004)
