"""The envelope: every answer under /api, in both languages, with the headers that belong to it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.database import temporary_database
from support.http import CATALOGUE, assert_refused
from support.services import Instance, running, serve_by_fastapi
from support.tokens import bearer, forge
from support.users import PASSWORD, Login, add_and_log_in
from wutang_auth.errors import AuthError
from wutang_auth.response_codes import ResponseCode
from wutang_auth.settings import Settings, load


@pytest.fixture(scope="module")
async def shared(keys_file: Path, is_direct: bool) -> AsyncIterator[tuple[Instance, Login]]:
    """One service for tests that change nothing."""
    async with temporary_database() as url:
        settings = load(Settings, _env_file=None, database_url=url, keys_file=keys_file, hash_workers=1)
        async with running(settings) as instance:
            if not is_direct:
                serve_by_fastapi(instance)
            yield instance, await add_and_log_in(instance)


def test_numbers_and_statuses_are_the_contracts() -> None:
    assert {str(code.number): code.chinese for code in ResponseCode} == CATALOGUE
    statuses: dict[str, int] = {}
    pending: list[type[AuthError]] = [AuthError]
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        statuses[error.__name__] = error.status
        assert error.code in ResponseCode
        assert 400 <= error.status <= 599
    expected = {
        "InvalidParameters": 422, "PayloadTooLarge": 413, "UnsupportedMediaType": 415, "InvalidCredentials": 401,
        "EmailTaken": 409, "WrongCurrentPassword": 409, "MethodNotAllowed": 405, "TooManyAttempts": 429,
        "TokenMissing": 401, "TokenInvalid": 401, "SessionEnded": 401, "TokenExpired": 401, "InsufficientScope": 403,
        "NotFound": 404, "Failed": 500, "DatabaseUnavailable": 503, "Overloaded": 503,
    }  # fmt: skip
    assert expected.items() <= statuses.items()


SITUATIONS: dict[str, tuple[str, str, dict[str, Any], int, int, str]] = {
    "unknown path": ("GET", "/api/nothing", {}, 404, 40004, "查询为空"),
    "unknown path, any method": ("BREW", "/api/nothing", {}, 404, 40004, "查询为空"),
    "the bare prefix": ("GET", "/api", {}, 404, 40004, "查询为空"),
    "a path outside": ("GET", "/nothing", {}, 404, 40004, "查询为空"),
    "a trailing slash": ("GET", "/api/auth/me/", {}, 404, 40004, "查询为空"),
    "another trailing slash": ("POST", "/api/auth/login/", {}, 404, 40004, "查询为空"),
    "wrong method": ("GET", "/api/auth/login", {}, 405, 40001, "禁止访问"),
    "malformed body": (
        "POST", "/api/auth/login", {"content": "{", "headers": {"Content-Type": "application/json"}},
        422, 10001, "参数有误",
    ),
    "missing field": ("POST", "/api/auth/login", {"json": {"email": "a@b.example"}}, 422, 10001, "参数有误"),
    "bad query": ("DELETE", "/api/auth/logout?everywhere=x", {"token": "access"}, 422, 10001, "参数有误"),
    "body too large": ("POST", "/api/auth/login", {"json": {"email": "x" * 17_000}}, 413, 10001, "参数有误"),
    "media type": ("POST", "/api/auth/login", {"content": "x"}, 415, 10001, "参数有误"),
    "wrong password": (
        "POST", "/api/auth/login", {"json": {"email": "eve@wutang.example", "password": "x"}}, 401, 10003, "数据有误",
    ),
    "no token": ("GET", "/api/auth/me", {}, 401, 40001, "Unauthenticated."),
    "bad token": ("GET", "/api/auth/me", {"token": "bad"}, 401, 40001, "Unauthenticated."),
    "expired token": ("GET", "/api/auth/me", {"token": "expired"}, 401, 40005, "Unauthenticated."),
    "missing scope": ("GET", "/api/users", {"token": "access"}, 403, 40003, "权限不足"),
    "no such session": (
        "DELETE", "/api/auth/sessions/00000000-0000-4000-8000-000000000000", {"token": "access"},
        404, 40004, "查询为空",
    ),
    "no session at all": ("DELETE", "/api/auth/sessions/x", {"token": "access"}, 404, 40004, "查询为空"),
}  # fmt: skip


async def make(shared: tuple[Instance, Login], situation: str, **headers: str) -> httpx.Response:
    instance, login = shared
    method, path, request, *_ = SITUATIONS[situation]
    tokens = {"bad": "x.y.z", "access": login.access_token}
    tokens["expired"] = forge(instance.settings).changed(login.access_token, exp=1)
    request = {**request, "headers": {**request.get("headers", {}), **headers}}
    if token := request.pop("token", None):
        request["headers"] |= bearer(tokens[token])
    return await instance.client.request(method, path, **request)


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_situation_has_its_status_code_and_message(shared: tuple[Instance, Login], situation: str) -> None:
    *_, status, code, message = SITUATIONS[situation]
    response = await make(shared, situation)
    body = assert_refused(response, status, code)
    assert body["message"] == message
    assert list(body)[:3] == ["code", "message", "data"]
    assert ("www-authenticate" in response.headers) == (status in (401, 403))
    assert ("allow" in response.headers) == (status == 405)
    if response.request.url.path.startswith(("/api/auth", "/api/users")):
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_situation_is_told_in_english_where_preferred(shared: tuple[Instance, Login], situation: str) -> None:
    *_, status, code, message = SITUATIONS[situation]
    body = assert_refused(await make(shared, situation, **{"Accept-Language": "en-GB,zh;q=0.5"}), status, code)
    english = {found.number: found.english for found in ResponseCode}[code]
    assert body["message"] == (message if message.isascii() else english)


@pytest.mark.parametrize(
    ("header", "english"),
    [
        ("", False), ("zh", False), ("zh-CN,zh;q=0.9,en;q=0.8", False), ("en", True), ("EN-us", True), ("en-GB", True),
        ("en-US,en;q=0.9,zh-CN;q=0.8", True), ("fr", False), ("fr, en;q=0.3", True), ("*", False), ("*;q=0.1", False),
        ("zh;q=0.1, en;q=0.2", True), ("en;q=0.5, zh;q=0.5", False), ("en;q=0", False), ("zh;q=0, en;q=0", False),
        ("zh;q=0, *", True), ("en;q=0, *", False), ("*, zh;q=0.5", True), ("english", False), ("en;q=nan", False),
        ("en;q=x", False), ("en;q=-1", False), ("en;q=1e9, zh", False), ("en; q = 0.9 , zh;q=0.1", True),
        (",,en,,", True), (";q=1", False), ("zh-Hant;q=0.2,en;q=0.3", True), ("en" * 3000, False),
        ("x," * 2000 + "en", False), ("en\x00", False),
    ],
)  # fmt: skip
async def test_language_is_the_preferred_one(shared: tuple[Instance, Login], header: str, english: bool) -> None:
    response = await shared[0].client.get("/api/nothing", headers=[(b"Accept-Language", header.encode())])
    assert response.json()["message"] == ("Not found" if english else "查询为空")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/auth/login", {"POST"}),
        ("/api/auth/refresh", {"PUT"}),
        ("/api/auth/logout", {"DELETE"}),
        ("/api/auth/me", {"GET", "HEAD", "PATCH"}),
        ("/api/auth/password", {"PUT"}),
        ("/api/auth/sessions", {"GET", "HEAD"}),
        ("/api/auth/sessions/00000000-0000-4000-8000-000000000000", {"DELETE"}),
        ("/api/users", {"GET", "HEAD", "POST"}),
        ("/api/users/1", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("/api/response_code", {"GET", "HEAD"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_are_told_which_are_allowed(
    shared: tuple[Instance, Login], path: str, allowed: set[str], method: str
) -> None:
    if method in allowed:
        return
    response = await shared[0].client.send(httpx.Request(method, f"http://wutang.test{path}"))
    if method == "HEAD":
        assert (response.status_code, response.content) == (405, b"")
    else:
        assert_refused(response, 405, 40001)
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/.well-known/jwks.json"])
async def test_answers_outside_api_have_no_envelope(shared: tuple[Instance, Login], path: str) -> None:
    body = (await shared[0].client.get(path)).json()
    assert "code" not in body


async def test_no_route_redirects(shared: tuple[Instance, Login]) -> None:
    for path in ("/api/auth/me/", "/api/users/", "//api/auth/me", "/api//auth/me", "/docs/", "/healthz/"):
        response = await shared[0].client.get(path)
        assert response.status_code == 404, path
        assert "location" not in response.headers


async def test_a_bug_is_answered_and_logged_without_values(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    service.app.state.services = None
    credentials = {"email": "canary@wutang.example", "password": PASSWORD}
    response = await service.client.post("/api/auth/login", json=credentials, headers={"Accept-Language": "en"})
    assert assert_refused(response, 500, 50001) == {"code": 50001, "message": "Operation failed", "data": None}
    assert response.headers["cache-control"] == "no-store"
    [record] = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert "Attribute not found" in record.getMessage()
    assert "canary" not in str(record.__dict__)
    assert PASSWORD not in str(record.__dict__)
