"""What the log says of mail: each event once, and no token, address or password."""

import logging

import pytest

from support.http import success
from support.mail import Mailbox, token_in
from support.services import Start
from support.users import NEW_PASSWORD, PASSWORD, administrator, log_in

SECOND_PASSWORD = "nine narrow orange ladders"


async def test_each_event_is_one_line_without_a_secret(
    start: Start, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(**mailbox.settings())
    root = await administrator(service)
    client, tokens = service.client, []

    async def use(method: str, path: str, purpose: str, **body: str) -> None:
        tokens.append(await mailbox.token(service, purpose))
        success(
            await client.request(method, path, json=body | {"token": tokens[-1]}), 201 if purpose == "register" else 200
        )

    with caplog.at_level(logging.DEBUG):
        caplog.clear()
        success(await client.post("/api/auth/register", json={"email": "grace@wutang.example"}))
        await use("PUT", "/api/auth/register", "register", password=NEW_PASSWORD)
        success(await client.post("/api/auth/password/reset", json={"email": "grace@wutang.example"}))
        await use("PUT", "/api/auth/password/reset", "reset", password=SECOND_PASSWORD)
        await mailbox.all(service)
        grace = await log_in(client, "grace@wutang.example", SECOND_PASSWORD)
        proof = {"password": SECOND_PASSWORD}
        success(await client.post("/api/auth/reauthenticate", json=proof, headers=grace.headers))
        change = {"email": "hopper@wutang.example"}
        success(await client.put("/api/auth/email", json=change, headers=grace.headers))
        asked = {mail["To"]: mail for mail in await mailbox.all(service)}
        tokens.append(token_in(asked["hopper@wutang.example"], "email_change"))
        success(await client.put("/api/auth/email/confirmation", json={"token": tokens[-1]}))
        tokens.append(token_in(asked["grace@wutang.example"], "email_undo"))
        success(await client.put("/api/auth/email/undo", json={"token": tokens[-1]}))
        await mailbox.all(service)
        invited = {"email": "ada@wutang.example", "invite": True}
        success(await client.post("/api/users", json=invited, headers=root.headers), 201)
        success(await client.post("/api/auth/email/verification", headers=root.headers))
        await use("PUT", "/api/auth/password/reset", "invite", password=NEW_PASSWORD)
        await use("PUT", "/api/auth/email/verification", "verify")
    events = [record.fields["event"] for record in caplog.records if record.name == "wutang_auth.audit"]  # type: ignore[attr-defined]  # it has them
    assert [event for event in events if event != "mail_sent"] == [
        "registration_asked", "registered", "reset_asked", "password_reset", "login", "reauthenticated",
        "email_change_asked", "email_changed", "email_change_undone", "invited", "password_reset", "email_verified",
    ]  # fmt: skip
    assert len(tokens) == 6
    said = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("wutang")
    )
    for secret in (*tokens, PASSWORD, NEW_PASSWORD, SECOND_PASSWORD, "grace@", "hopper@"):
        assert secret not in said
