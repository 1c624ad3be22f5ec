"""The accounts over HTTP: who may see and change them, and what that does to the users."""

import asyncio
import json
import unicodedata
from typing import Any

import pytest

from support.database import count_sessions, count_users, fill_users, query, stored_hash, user_ids
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import claims_of
from support.users import (
    NEW_USER,
    PASSWORD,
    READER,
    WRITER,
    Login,
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
from wutang_auth.repository import UserChange, UserRepository, sql

# -- Who may --------------------------------------------------------------------------------------------------------


ROUTES = [("GET", ""), ("GET", "/1"), ("POST", ""), ("PATCH", "/1"), ("DELETE", "/1")]


async def test_user_without_scopes_gets_403(service: Instance) -> None:
    nobody = await add_and_log_in(service, scopes=["users", "users:reads", "orders:read"])
    for method, path in ROUTES:
        response = await service.client.request(method, f"/api/users{path}", json=NEW_USER, headers=nobody.headers)
        body = assert_refused(response, 403, 40003)
        assert body["message"] == "权限不足"
        scope = "users:read" if method == "GET" else "users:write"
        challenge = f'Bearer realm="wutang-auth", error="insufficient_scope", scope="{scope}"'
        assert response.headers["www-authenticate"] == challenge
        assert response.headers["cache-control"] == "no-store"
    assert await count_users(service.settings) == 1


async def test_nobody_gets_401_before_anything_is_looked_at(service: Instance) -> None:
    for method, path in ROUTES:
        for suffix in (path, path and "/nonsense"):
            response = await service.client.request(method, f"/api/users{suffix}?limit=x", content=b"{")
            assert assert_refused(response, 401, 40001)["message"] == "Unauthenticated."


async def test_reader_reads_but_does_not_write(service: Instance) -> None:
    reader = await administrator(service, READER)
    page = success(await service.client.get("/api/users", headers=reader.headers))
    assert [user["email"] for user in page["items"]] == ["root@wutang.example"]
    success(await service.client.get(f"/api/users/{reader.user_id}", headers=reader.headers))
    for method, path in ROUTES[2:]:
        response = await service.client.request(method, f"/api/users{path}", json=NEW_USER, headers=reader.headers)
        assert_refused(response, 403, 40003)


async def test_writer_without_read_does_not_list(service: Instance) -> None:
    writer = await administrator(service, ["users:write"])
    assert_refused(await service.client.get("/api/users", headers=writer.headers), 403, 40003)
    await create(service, writer)


async def test_scopes_take_effect_with_the_next_request(start: Start) -> None:
    one, other = await start(), await start()
    root = await administrator(one)
    ada = await add_and_log_in(one)
    assert_refused(await other.client.get("/api/users", headers=ada.headers), 403, 40003)
    success(await update(one, root, ada.user_id, scopes=["users:read"]))
    success(await other.client.get("/api/users", headers=ada.headers))
    success(await update(one, root, ada.user_id, scopes=[]))
    assert_refused(await other.client.get("/api/users", headers=ada.headers), 403, 40003)


# -- Creating -------------------------------------------------------------------------------------------------------


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


BAD_FIELDS: list[tuple[str, Any]] = [
    ("email", ...),
    ("email", None),
    ("email", 5),
    ("email", "not an address"),
    ("email", "a@b@c"),
    ("email", "nul\x00@wutang.example"),
    ("email", "surrogate\ud800@wutang.example"),
    ("email", "line\nfeed@wutang.example"),
    ("email", "x" * 250 + "@wutang.example"),
    ("email", "ﷺ" * 60 + "@wutang.example"),
    ("password", ...),
    ("password", None),
    ("password", 12345678),
    ("password", ""),
    ("password", "nul\x00 seven violet umbrellas"),
    ("password", "\ud800 seven violet umbrellas"),
    ("name", None),
    ("name", 5),
    ("name", "x" * 256),
    ("name", "two\nlines"),
    ("name", "\x1b[31mred"),
    ("name", "nul\x00"),
    ("name", "\udc00"),
    ("name", "separated\u2028lines"),
    ("scopes", None),
    ("scopes", "users:read"),
    ("scopes", {"users:read": True}),
    ("scopes", [5]),
    ("scopes", [None]),
    ("scopes", [""]),
    ("scopes", ["Users:read"]),
    ("scopes", ["1users"]),
    ("scopes", ["users read"]),
    ("scopes", ["users:read\n"]),
    ("scopes", ["usérs"]),
    ("scopes", ['users"']),
    ("scopes", ["x" * 65]),
    ("scopes", [f"scope{number}" for number in range(33)]),
    ("scopes", [f"{number:a>60}" for number in range(20)]),
    ("disabled", None),
    ("disabled", "true"),
    ("disabled", 1),
    ("email_verified_at", "yesterday"),
    ("email_verified_at", "2026-01-02T03:04:05"),
    ("email_verified_at", "2026-02-30T03:04:05Z"),
    ("email_verified_at", "0001-01-01T00:00:00+14:00"),
    ("email_verified_at", "9999-12-31T23:59:59-14:00"),
    ("email_verified_at", 1767322800),
    ("email_verified_at", True),
]


@pytest.mark.parametrize(("verb", "english"), [("create", False), ("update", True)])
async def test_bad_field_is_named_and_not_repeated(service: Instance, verb: str, english: bool) -> None:
    root = await administrator(service)
    headers = root.headers | ({"Accept-Language": "en"} if english else {})
    for field, value in BAD_FIELDS:
        if value is ... and verb == "update":
            continue
        document = {name: sent for name, sent in (NEW_USER | {field: value}).items() if sent is not ...}
        content = json.dumps(document)
        if verb == "create":
            response = await service.client.post("/api/users", content=content, headers=headers | JSON)
        else:
            response = await service.client.patch(f"/api/users/{root.user_id}", content=content, headers=headers | JSON)
        body = assert_refused(response, 422, 10001)
        assert [error["field"] for error in body["errors"]] == [field], (field, value)
        assert body["errors"][0]["message"].isascii() == english
        if isinstance(value, str) and len(value) > 4:
            assert value not in response.text
    assert await count_users(service.settings) == 1
    assert success(await me(service, root))["name"] == "Root"


JSON = {"Content-Type": "application/json"}


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


async def test_token_of_a_user_with_as_many_scopes_as_there_may_be_works(start: Start) -> None:
    service = await start(issuer="i" * 255, audience="a" * 255, client_id="c" * 255)
    scopes = sorted(f"{number:x>31}" for number in range(32))
    assert len(" ".join(scopes)) == 1023
    login = await add_and_log_in(service, scopes=scopes)
    assert success(await me(service, login))["scopes"] == scopes
    claims = claims_of(login.access_token)
    assert claims["scope"] == " ".join(scopes)


# -- What one may give ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("change", [{"disabled": True}, {"scopes": []}, {"scopes": ["users:write"]}])
async def test_nobody_locks_itself_out(service: Instance, change: dict[str, Any]) -> None:
    root = await administrator(service)
    assert_refused(await update(service, root, root.user_id, **change), 409, 10003)
    assert_refused(await update(service, root, f"{root.user_id}", name="x", **change), 409, 10003)
    user = success(await me(service, root))
    assert (user["name"], user["disabled"], user["scopes"]) == ("Root", False, WRITER)


async def test_nobody_deletes_itself(service: Instance) -> None:
    root = await administrator(service)
    assert_refused(await service.client.delete(f"/api/users/{root.user_id}", headers=root.headers), 409, 10003)
    success(await me(service, root))


# -- Changing -------------------------------------------------------------------------------------------------------


async def test_patch_changes_what_is_there_and_nothing_else(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root, name="Grace", email_verified_at="2026-01-02T03:04:05Z", scopes=["users:read"])
    changes: list[dict[str, Any]] = [
        {"name": "Grace Hopper"},
        {"name": ""},
        {"email": "hopper@wutang.example", "email_verified_at": "2026-02-02T00:00:00Z"},
        {"email_verified_at": None},
        {"email_verified_at": "2026-03-03T00:00:00Z"},
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
    user = await create(service, root, email_verified_at="2026-01-02T03:04:05Z")
    respelled = success(await update(service, root, user["id"], email="GRACE@wutang.example"))
    assert respelled["email_verified_at"] == "2026-01-02T03:04:05Z"
    moved = success(await update(service, root, user["id"], email="hopper@wutang.example"))
    assert moved["email_verified_at"] is None
    assert_refused(
        await service.client.post("/api/auth/login", json=NEW_USER | {"email": "grace@wutang.example"}), 401, 10003
    )
    await log_in(service.client, "hopper@wutang.example", NEW_USER["password"])


async def test_disabled_and_deleted_users_are_out_at_once_on_every_instance(start: Start) -> None:
    one, other = await start(), await start()
    root = await administrator(one)
    for change in ("disable", "delete"):
        email = f"{change}@wutang.example"
        user = await create(one, root, email=email)
        logins = [await log_in(instance.client, email, NEW_USER["password"]) for instance in (one, other)]
        for login in logins:
            success(await me(one, login))
            success(await me(other, login))
        if change == "disable":
            success(await update(one, root, user["id"], disabled=True))
        else:
            success(await one.client.delete(f"/api/users/{user['id']}", headers=root.headers))
        for instance in (one, other):
            for login in logins:
                assert_refused(await me(instance, login), 401, 40001)
                refresh = {"Authorization": f"Bearer {login.refresh_token}"}
                assert_refused(await instance.client.put("/api/auth/refresh", headers=refresh), 401, 40001)
    assert await count_sessions(one.settings) == 1


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


async def test_deleted_user_is_gone(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root)
    response = await service.client.delete(f"/api/users/{user['id']}", headers=root.headers)
    assert success(response) is None
    for method in ("GET", "PATCH", "DELETE"):
        again = await service.client.request(method, f"/api/users/{user['id']}", json={}, headers=root.headers)
        assert_refused(again, 404, 40004)
    await create(service, root)


async def test_id_of_nobody_is_404(service: Instance) -> None:
    root = await administrator(service)
    for user_id in [
        "0", "-1", "999", str(2**63 - 1), str(2**63), "9" * 400, "1.0", "+1", "01", "1_0", "1e0", "abc", "None", "%00",
        "%20", "1%20", "%D9%A1", "1;drop", "%ff", "𝟏",
    ]:  # fmt: skip
        for method in ("GET", "PATCH", "DELETE"):
            response = await service.client.request(
                method, f"/api/users/{user_id}", json={"name": "x"}, headers=root.headers
            )
            assert_refused(response, 404, 40004)


# -- Listing --------------------------------------------------------------------------------------------------------


async def visit(instance: Instance, caller: Login, limit: int) -> list[int]:
    seen: list[int] = []
    after = 0
    while True:
        page = success(
            await instance.client.get("/api/users", params={"after": after, "limit": limit}, headers=caller.headers)
        )
        assert len(page["items"]) <= limit
        seen += [user["id"] for user in page["items"]]
        if page["next"] is None:
            return seen
        after = page["next"]


async def test_pages_hold_each_user_once(service: Instance) -> None:
    reader = await administrator(service, READER)
    await fill_users(service.settings, 13)
    for limit in (1, 7, 13, 14, 200):
        seen = await visit(service, reader, limit)
        assert seen == sorted(set(seen))
        assert len(seen) == 14


async def test_page_has_fifty_users_unless_told(service: Instance) -> None:
    reader = await administrator(service, READER)
    await fill_users(service.settings, 60)
    page = success(await service.client.get("/api/users", headers=reader.headers))
    assert len(page["items"]) == 50
    assert page["next"] == page["items"][-1]["id"]


async def test_listing_visits_each_once_while_others_are_added_and_deleted(start: Start) -> None:
    one, other = await start(), await start()
    root = await administrator(one)
    await fill_users(one.settings, 1000)
    before = await user_ids(one.settings)
    deleted = {user_id for user_id in before if user_id % 10 == 0}

    async def add_and_delete() -> None:
        for number in range(20):
            await add_user(one.settings, f"new{number}@wutang.example")
        for user_id in sorted(deleted)[:20]:
            success(await other.client.delete(f"/api/users/{user_id}", headers=root.headers))

    seen, _ = await asyncio.gather(visit(one, root, 10), add_and_delete())
    assert len(seen) == len(set(seen))
    assert before - deleted <= set(seen)


async def test_page_is_one_index_scan(service: Instance) -> None:
    await fill_users(service.settings, 2000)
    await query(service.settings, "ANALYZE users")
    for statement, arguments in (
        (sql.USERS_LIST, {"after": 1000, "most": 51}),
        (sql.USERS_LIST_EMAIL, {"after": 0, "canonical": "user7@wutang.example"}),
    ):
        literals = [f"'{value}'" if isinstance(value, str) else str(value) for value in statement.arguments(arguments)]
        filled_in = statement.sql
        for number, literal in enumerate(literals, 1):
            filled_in = filled_in.replace(f"${number}", literal)
        plan = [row[0] for row in await query(service.settings, f"EXPLAIN {filled_in}")]
        scans = [line for line in plan if "Scan" in line]
        assert len(scans) == 1, plan
        assert "Index Scan" in scans[0], plan
        assert not any("Sort" in line for line in plan), plan


async def test_email_filter_finds_the_one_user(service: Instance) -> None:
    reader = await administrator(service, READER)
    ada = await add_user(service.settings)
    await fill_users(service.settings, 3)
    for email in ("ada@wutang.example", "ADA@WUTANG.example", " ada@wutang.example "):
        page = success(await service.client.get("/api/users", params={"email": email}, headers=reader.headers))
        assert [user["id"] for user in page["items"]] == [ada.id]
        assert page["next"] is None


async def test_page_after_the_last_is_empty(service: Instance) -> None:
    reader = await administrator(service, READER)
    last: dict[str, str | int] = {"email": "root@wutang.example", "after": reader.user_id or 0}
    for params in ({"email": "ad@wutang.example"}, {"after": 999}, {"after": 2**63 - 1}, last):
        page = success(await service.client.get("/api/users", params=params, headers=reader.headers))
        assert page == {"items": [], "next": None}


async def test_bad_query_is_named_and_not_repeated(service: Instance) -> None:
    reader = await administrator(service, READER)
    for field, value in [
        ("limit", "0"), ("limit", "201"), ("limit", "-1"), ("limit", "many"), ("limit", ""), ("limit", "9" * 5000),
        ("after", "-1"), ("after", str(2**63)), ("after", "x"), ("after", "1.5"), ("email", "nobody"), ("email", ""),
        ("email", "nul\x00@wutang.example"), ("email", "%"),
    ]:  # fmt: skip
        response = await service.client.get(
            "/api/users", params={field: value}, headers=reader.headers | {"Accept-Language": "en"}
        )
        body = assert_refused(response, 422, 10001)
        assert [error["field"] for error in body["errors"]] == [field]
        if len(value) > 2:
            assert value not in response.text
