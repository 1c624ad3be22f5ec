"""Changes of users over HTTP, and what they do to those users at once."""

from typing import Any

import pytest

from support.database import query
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Instance, Start
from support.users import (
    NEW_USER,
    PASSWORD,
    WRITER,
    add_and_log_in,
    add_user,
    administrator,
    create,
    log_in,
    me,
    update,
)
from wutang_auth.database import Database
from wutang_auth.errors import ScopeNotHeld
from wutang_auth.repository import UserChange, UserRepository


async def test_scopes_that_a_user_has_may_stay_or_go(service: Instance) -> None:
    root = await administrator(service)
    ada = await add_user(service.settings, scopes=["orders:read", "orders:write"])
    user = success(await update(service, root, ada.id, scopes=["orders:read", "users:read"]))
    assert user["scopes"] == ["orders:read", "users:read"]
    # what was taken away is gone: it cannot be given back by one who lacks it
    assert_refused(await update(service, root, ada.id, scopes=["orders:read", "orders:write"]), 409, 10003)


async def test_scope_taken_away_meanwhile_is_not_given_back(service: Instance) -> None:
    ada = await add_user(service.settings, scopes=["orders:read"])
    database = Database(service.settings.database_url.get_secret_value())
    users = UserRepository(database)
    # the patch was sent by one who saw orders:read; the statement looks again
    await users.update(ada.id, UserChange(scopes=[]))
    with pytest.raises(ScopeNotHeld):
        await users.update(ada.id, UserChange(scopes=["orders:read"]), held=WRITER)
    await database.close()


@pytest.mark.parametrize("change", [{"password": "another good password"}, {"email": "mine@wutang.example"}])
async def test_nobody_takes_over_a_user_with_more_scopes(service: Instance, change: dict[str, str]) -> None:
    helper = await administrator(service)
    boss = await add_and_log_in(service, "boss@wutang.example", scopes=["billing:write"])
    assert_refused(await update(service, helper, boss.user_id, **change), 409, 10003)
    # what gives no access is allowed
    changed = await update(service, helper, boss.user_id, name="B", disabled=False, email="BOSS@wutang.example")
    assert success(changed)["email"] == "BOSS@wutang.example"
    success(await me(service, boss))
    await log_in(service.client, "boss@wutang.example")


STALE = "UPDATE sessions SET authenticated_at = authenticated_at - interval '301 s'"
OWN = [{"password": "another good password"}, {"email": "mine@wutang.example"}, {"email": "ROOT@wutang.example"}]


@pytest.mark.parametrize("change", OWN)
async def test_ones_own_address_and_password_ask_for_a_fresh_proof(
    start: Start, mailbox: Mailbox, change: dict[str, str]
) -> None:
    service = await start(**mailbox.settings())
    root = await administrator(service)
    await query(service.settings, STALE)
    refused = await update(service, root, root.user_id, name="x", **change)
    assert refused.status_code == 403
    assert refused.json()["data"]["reauthenticate"]["max_age"] == 300
    # nothing has changed; what is none of the two may change, and so may others
    user = success(await update(service, root, root.user_id, name="R", email="root@wutang.example"))
    assert (user["name"], user["email"]) == ("R", "root@wutang.example")
    success(await update(service, root, (await add_user(service.settings)).id, email="hers@wutang.example"))
    body = {"password": PASSWORD}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=root.headers))
    success(await update(service, root, root.user_id, **change))


async def test_without_mail_nobody_is_asked_for_a_proof_that_cannot_be_given(service: Instance) -> None:
    root = await administrator(service)
    await query(service.settings, STALE)
    success(await update(service, root, root.user_id, email="mine@wutang.example"))


@pytest.mark.parametrize("change", [{"disabled": True}, {"scopes": []}, {"scopes": ["users:write"]}])
async def test_nobody_locks_itself_out(service: Instance, change: dict[str, Any]) -> None:
    root = await administrator(service)
    assert_refused(await update(service, root, root.user_id, **change), 409, 10003)
    assert_refused(await update(service, root, f"{root.user_id}", name="x", **change), 409, 10003)
    user = success(await me(service, root))
    assert (user["name"], user["disabled"], user["scopes"]) == ("Root", False, WRITER)


async def test_patch_changes_what_is_there_and_nothing_else(service: Instance) -> None:
    root = await administrator(service)
    user = await create(
        service, root, name="Grace", email_verified_at="2026-01-02T03:04:05.000000Z", scopes=["users:read"]
    )
    changes: list[dict[str, Any]] = [
        {"name": "Grace Hopper"},
        {"name": ""},
        {"email": "hopper@wutang.example", "email_verified_at": "2026-02-02T00:00:00.000000Z"},
        {"email_verified_at": None},
        {"email_verified_at": "2026-03-03T00:00:00.000000Z"},
        {"scopes": []},
        {"scopes": ["users:read", "users:write"]},
        {"disabled": True},
        {"disabled": True},
        {"disabled": False},
        {"name": "G", "scopes": [], "disabled": True, "email_verified_at": None},
    ]
    for change in changes:
        changed = success(await update(service, root, user["id"], **change))
        assert changed.pop("updated_at") > user.pop("updated_at")
        assert changed == user | change, change
        user = success(await service.client.get(f"/api/users/{user['id']}", headers=root.headers))


async def test_empty_patch_changes_nothing(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root)
    assert success(await update(service, root, user["id"])) == user
    assert_refused(await update(service, root, 999), 404, 40004)


async def test_another_address_is_unverified(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root, email_verified_at="2026-01-02T03:04:05.000000Z")
    respelled = success(await update(service, root, user["id"], email="GRACE@wutang.example"))
    assert respelled["email_verified_at"] == "2026-01-02T03:04:05.000000Z"
    moved = success(await update(service, root, user["id"], email="hopper@wutang.example"))
    assert moved["email_verified_at"] is None
    assert_refused(
        await service.client.post("/api/auth/login", json=NEW_USER | {"email": "grace@wutang.example"}), 401, 10003
    )
    await log_in(service.client, "hopper@wutang.example", NEW_USER["password"])


async def test_enabled_again_old_tokens_stay_dead(service: Instance) -> None:
    root = await administrator(service)
    ada = await add_and_log_in(service)
    success(await update(service, root, ada.user_id, disabled=True))
    success(await update(service, root, ada.user_id, disabled=False))
    assert_refused(await me(service, ada), 401, 40001)
    await log_in(service.client)


async def test_password_set_by_an_administrator_ends_the_sessions(service: Instance) -> None:
    root = await administrator(service)
    ada = await add_and_log_in(service)
    success(await update(service, root, ada.user_id, password="another good password"))
    assert_refused(await me(service, ada), 401, 40001)
    assert_refused(
        await service.client.post("/api/auth/login", json={"email": "ada@wutang.example", "password": PASSWORD}),
        401,
        10003,
    )
    await log_in(service.client, password="another good password")
