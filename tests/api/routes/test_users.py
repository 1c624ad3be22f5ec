"""What the routes of users have in common: who may use them, which fields and ids they take."""

import json
from typing import Any

import pytest

from support.database import count_sessions, count_users
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer, claims_of
from support.users import (
    NEW_USER,
    READER,
    add_and_log_in,
    administrator,
    create,
    log_in,
    me,
    update,
)

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


async def test_token_of_a_user_with_as_many_scopes_as_there_may_be_works(start: Start) -> None:
    service = await start(issuer="i" * 255, audience="a" * 255, client_id="c" * 255)
    scopes = sorted(f"{number:x>31}" for number in range(32))
    assert len(" ".join(scopes)) == 1023
    login = await add_and_log_in(service, scopes=scopes)
    assert success(await me(service, login))["scopes"] == scopes
    claims = claims_of(login.access_token)
    assert claims["scope"] == " ".join(scopes)


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
                assert_refused(
                    await instance.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)), 401, 40001
                )
    assert await count_sessions(one.settings) == 1


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
