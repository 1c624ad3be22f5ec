"""New users over HTTP: what is taken, what is refused, and what one may give."""

import asyncio
import unicodedata

import pytest

from support.database import stored_hash
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Instance, Start
from support.users import (
    NEW_PASSWORD,
    NEW_USER,
    WRITER,
    administrator,
    create,
    log_in,
    me,
    update,
)


async def test_created_user_is_as_told_and_logs_in(service: Instance) -> None:
    root = await administrator(service)
    user = await create(
        service, root, name="  Grace  ", email=" Grace@WuTang.example ", scopes=["users:write", "users:read"] * 2,
        email_verified_at="2026-01-02T03:04:05.5+02:00",
    )  # fmt: skip
    assert {name: user[name] for name in ("name", "email", "email_verified_at", "scopes", "disabled")} == {
        "name": "Grace",
        "email": "Grace@WuTang.example",
        "email_verified_at": "2026-01-02T01:04:05.500000Z",
        "scopes": ["users:read", "users:write"],
        "disabled": False,
    }
    assert set(user) == {
        "id", "name", "email", "email_verified_at", "scopes", "disabled", "created_at", "updated_at",
    }  # fmt: skip
    assert success(await service.client.get(f"/api/users/{user['id']}", headers=root.headers)) == user
    login = await log_in(service.client, "grace@wutang.example", NEW_USER["password"])
    assert success(await me(service, login)) == user
    assert (await stored_hash(service.settings, user_id=user["id"])).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_user_created_disabled_does_not_log_in(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root, disabled=True)
    assert user["disabled"] is True
    credentials = {"email": NEW_USER["email"], "password": NEW_USER["password"]}
    assert_refused(await service.client.post("/api/auth/login", json=credentials), 401, 10003)
    success(await update(service, root, user["id"], disabled=False))
    await log_in(service.client, NEW_USER["email"], NEW_USER["password"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("grace@wutang.example", "grace@wutang.example"),
        ("grace@wutang.example", "GRACE@WUTANG.EXAMPLE"),
        ("josé@wutang.example", unicodedata.normalize("NFD", "JOSÉ@wutang.example")),
        ("grace@wutang.example", "ｇｒａｃｅ@wutang.example"),
        ("straße@wutang.example", "STRASSE@wutang.example"),
    ],
    ids=["same", "upper case", "NFD", "full width", "sharp s"],
)
async def test_email_is_taken_in_every_spelling(service: Instance, first: str, second: str) -> None:
    root = await administrator(service)
    user = await create(service, root, email=first)
    response = await service.client.post("/api/users", json=NEW_USER | {"email": second}, headers=root.headers)
    body = assert_refused(response, 409, 10003)
    assert body["message"] == "数据有误"
    other = await create(service, root, email="other@wutang.example")
    assert_refused(await update(service, root, other["id"], email=second), 409, 10003)
    # one's own, in another spelling, is no other user's
    success(await update(service, root, user["id"], email=second))


async def test_of_parallel_creations_one_succeeds(start: Start) -> None:
    instances = [await start(), await start()]
    root = await administrator(instances[0])
    answers = await asyncio.gather(
        *(instances[n % 2].client.post("/api/users", json=NEW_USER, headers=root.headers) for n in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_thousands_of_bad_scopes_are_one_error(service: Instance) -> None:
    root = await administrator(service)
    response = await service.client.post("/api/users", json=NEW_USER | {"scopes": [1] * 5000}, headers=root.headers)
    assert len(assert_refused(response, 422, 10001)["errors"]) == 1


async def test_unknown_fields_are_ignored(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root, id=77, created_at="2020-01-01T00:00:00Z", password_hash="x")
    assert user["id"] != 77
    assert user["created_at"] > "2026"


async def test_users_are_taken_as_json_only(service: Instance) -> None:
    root = await administrator(service)
    assert_refused(await service.client.post("/api/users", data=NEW_USER, headers=root.headers), 415, 10001)


async def test_nobody_gives_scopes_it_does_not_hold(service: Instance) -> None:
    root = await administrator(service, [*WRITER, "orders:read"])
    response = await service.client.post(
        "/api/users", json=NEW_USER | {"scopes": ["orders:read", "orders:write"]}, headers=root.headers
    )
    assert_refused(response, 409, 10003)
    user = await create(service, root, scopes=["orders:read"])
    assert_refused(await update(service, root, user["id"], scopes=["orders:write"]), 409, 10003)
    assert_refused(await update(service, root, root.user_id, scopes=[*WRITER, "orders:read", "root"]), 409, 10003)
    assert success(await me(service, root))["scopes"] == [*WRITER, "orders:read"]


async def test_who_is_invited_is_there_without_a_password(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(language="en"))
    caller = await administrator(service)
    new = {"email": "grace@wutang.example", "invite": True, "scopes": ["users:read"]}
    user = success(await service.client.post("/api/users", json=new, headers=caller.headers), 201)
    assert (user["email"], user["scopes"], user["email_verified_at"]) == ("grace@wutang.example", ["users:read"], None)
    assert await stored_hash(service.settings, user_id=user["id"]) == "!"
    [mail] = await mailbox.all(service)
    assert (mail["To"], mail["Subject"]) == ("grace@wutang.example", "Your account at id.shop.example")


async def test_nobody_chooses_the_password_of_who_is_invited(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    caller = await administrator(service)
    for body in ({"invite": True, "password": NEW_PASSWORD}, {"invite": False}, {}):
        new = {"email": "grace@wutang.example", **body}
        response = await service.client.post("/api/users", json=new, headers=caller.headers)
        [error] = assert_refused(response, 422, 10001)["errors"]
        assert error["field"] == "password"
    assert await mailbox.all(service) == []


async def test_without_a_mail_server_nobody_is_invited(service: Instance) -> None:
    caller = await administrator(service)
    new = {"email": "grace@wutang.example", "invite": True}
    assert_refused(await service.client.post("/api/users", json=new, headers=caller.headers), 404, 40004)
