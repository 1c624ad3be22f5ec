"""Choosing a new password by the link of a mail over HTTP."""

import asyncio

import httpx
import pytest

from support.database import change_users, count_sessions, delete_users, query
from support.http import assert_refused, success
from support.legacy import add_taken_over, get_me, legacy_token, put_refresh, start_legacy
from support.mail import Mailbox, waiting_mails
from support.services import Instance, Start
from support.tokens import bearer
from support.users import CREDENTIALS, NEW_PASSWORD, PASSWORD, add_and_log_in, add_user, log_in, me


async def asked(service: Instance, mailbox: Mailbox) -> str:
    success(await service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"}))
    return await mailbox.token(service, "reset")


async def reset(service: Instance, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return await service.client.put("/api/auth/password/reset", json={"token": token, "password": password})


async def test_the_new_password_counts_and_all_sessions_end(start: Start, mailbox: Mailbox) -> None:
    service, other = await start(**mailbox.settings()), await start(**mailbox.settings())
    login = await add_and_log_in(service)
    second = await log_in(other.client)
    token = await asked(service, mailbox)
    assert success(await reset(service, token)) is None
    for session in (login, second):
        for instance in (service, other):
            assert_refused(await me(instance, session), 401, 40001)
            refreshed = await instance.client.put("/api/auth/refresh", headers=bearer(session.refresh_token))
            assert_refused(refreshed, 401, 40001)
    assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 401, 10003)
    again = await log_in(service.client, password=NEW_PASSWORD)
    assert success(await me(service, again))["email_verified_at"] is not None
    [notice] = await mailbox.all(service)
    assert notice["To"] == "ada@wutang.example"


async def test_tokens_of_an_earlier_application_end_too(start: Start, mailbox: Mailbox) -> None:
    service = await start_legacy(start, **mailbox.settings())
    token = legacy_token(await add_taken_over(service))
    success(await get_me(service, token))
    success(await reset(service, await asked(service, mailbox)))
    assert_refused(await get_me(service, token), 401, 40001)
    assert_refused(await put_refresh(service, token), 401, 40001)


async def test_a_link_counts_once_and_kills_the_others(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    first, second = await asked(service, mailbox), await asked(service, mailbox)
    success(await reset(service, first))
    for token in (first, second):
        assert_refused(await reset(service, token, "another fine passphrase"), 409, 10003)
    await log_in(service.client, password=NEW_PASSWORD)


async def test_of_fifty_at_once_over_two_services_one_succeeds(start: Start, mailbox: Mailbox) -> None:
    services = [await start(**mailbox.settings(), hash_queue=100) for _ in range(2)]
    await add_user(services[0].settings)
    token = await asked(services[0], mailbox)
    answers = await asyncio.gather(*(reset(services[n % 2], token, f"passphrase number {n}") for n in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] + [409] * 49
    await log_in(services[0].client, password=f"passphrase number {statuses.index(200)}")
    assert len(await mailbox.all(services[0])) == 1


async def test_a_password_that_breaks_a_rule_does_not_use_up_the_link(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings, name="Ada Lovelace")
    token = await asked(service, mailbox)
    for password in ("short", "password1", "ada@wutang.example", "ada lovelace"):
        [error] = assert_refused(await reset(service, token, password), 422, 10001)["errors"]
        assert error["field"] == "password"
    success(await reset(service, token))


@pytest.mark.parametrize("what", ["disabled", "deleted", "other address", "expired"])
async def test_a_link_that_came_too_late_is_dead(start: Start, mailbox: Mailbox, what: str) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    token = await asked(service, mailbox)
    if what == "disabled":
        await query(service.settings, "UPDATE users SET disabled_at = now()")
    elif what == "deleted":
        await delete_users(service.settings)
    elif what == "other address":
        await change_users(service.settings, email="x@x.example", canonical_email="x@x.example")
    else:
        await query(service.settings, "UPDATE mail_tokens SET expires_at = now()")
    assert_refused(await reset(service, token), 409, 10003)
    assert await waiting_mails(service.settings) == []


async def test_a_changed_password_kills_the_links_of_before(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    token = await asked(service, mailbox)
    body = {"current_password": PASSWORD, "new_password": "another fine passphrase"}
    success(await service.client.put("/api/auth/password", json=body, headers=login.headers))
    assert_refused(await reset(service, token), 409, 10003)
    await log_in(service.client, password="another fine passphrase")


@pytest.mark.parametrize("rival", ["password", "disable", "delete"])
async def test_a_reset_that_races_a_change_ends_in_one_of_the_two(start: Start, mailbox: Mailbox, rival: str) -> None:
    service = await start(**mailbox.settings())
    root = await add_and_log_in(service, "root@wutang.example", scopes=["users:write"])
    for number in range(3):
        ada = await add_and_log_in(service, f"ada{number}@wutang.example")
        success(await service.client.post("/api/auth/password/reset", json={"email": f"ada{number}@wutang.example"}))
        token = await mailbox.token(service, "reset")
        path = f"/api/users/{ada.user_id}"
        passwords = {"current_password": PASSWORD, "new_password": "another fine passphrase"}
        method, where, body, who = {
            "password": ("PUT", "/api/auth/password", passwords, ada),
            "disable": ("PATCH", path, {"disabled": True}, root),
            "delete": ("DELETE", path, None, root),
        }[rival]
        change = service.client.request(method, where, json=body, headers=who.headers)
        answers = await asyncio.gather(reset(service, token), change)
        assert {answer.status_code for answer in answers} <= {200, 401, 409}
        assert 200 in {answer.status_code for answer in answers}
        if rival == "password":
            assert [answer.status_code for answer in answers].count(200) == 1
        else:
            assert await count_sessions(service.settings) == 1, "only that of the administrator"
        await mailbox.all(service)


async def test_an_invitation_is_taken_in_the_same_way(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    root = await add_and_log_in(service, "root@wutang.example", scopes=["users:write"])
    invitation = {"email": "ada@wutang.example", "invite": True}
    success(await service.client.post("/api/users", json=invitation, headers=root.headers), 201)
    token = await mailbox.token(service, "invite")
    for password in ("!", PASSWORD):
        wrong = CREDENTIALS | {"password": password}
        assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)
    success(await reset(service, token))
    await log_in(service.client, password=NEW_PASSWORD)


async def test_no_token_is_in_the_database_or_its_dump(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    tokens = [await asked(service, mailbox) for _ in range(2)]
    rows = [
        dict(row)
        for table in ("mails", "mail_tokens", "users", "sessions", "attempts")
        for row in await query(service.settings, f"SELECT * FROM {table}")
    ]
    assert len([row for row in rows if row.get("purpose") == "reset"]) == 2
    assert not any(token in str(rows) for token in tokens)
