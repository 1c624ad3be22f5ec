"""Each of the eight response codes, over HTTP, from its real cause."""

import asyncio

import pytest

from support.database import forget_attempts, unreachable
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer
from support.users import CREDENTIALS, PASSWORD, add_and_log_in
from wutang_auth.response_codes import ResponseCode


async def test_10001_the_request_is_not_understood(service: Instance) -> None:
    response = await service.client.post("/api/auth/login", json={"email": "ada", "password": PASSWORD})
    body = assert_refused(response, 422, 10001)
    assert body["message"] == "参数有误"
    assert body["errors"] == [{"field": "email", "message": "不是有效的邮箱地址"}]
    too_large = await service.client.post("/api/auth/login", json=CREDENTIALS | {"padding": "x" * 17_000})
    assert assert_refused(too_large, 413, 10001)["errors"] == []
    other_type = await service.client.post(
        "/api/auth/login", content=b"<login/>", headers={"Content-Type": "application/xml"}
    )
    assert assert_refused(other_type, 415, 10001)["errors"] == []


async def test_10003_the_data_are_wrong(service: Instance) -> None:
    root = await add_and_log_in(service, scopes=["users:write"])
    wrong_password = await service.client.post("/api/auth/login", json=CREDENTIALS | {"password": "wrong password"})
    assert assert_refused(wrong_password, 401, 10003)["message"] == "数据有误"
    new = CREDENTIALS | {"password": "seven small violet umbrellas"}
    assert_refused(await service.client.post("/api/users", json=new, headers=root.headers), 409, 10003)
    change = {"current_password": "wrong password", "new_password": "seven small violet umbrellas"}
    assert_refused(await service.client.put("/api/auth/password", json=change, headers=root.headers), 409, 10003)


async def test_20001_done(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await service.client.get("/api/auth/me", headers=login.headers)
    assert success(response)["email"] == "ada@wutang.example"
    assert response.json()["message"] == "操作成功"


async def test_40001_nobody_is_let_in(start: Start) -> None:
    service = await start(throttle_account_failures=1)
    body = assert_refused(await service.client.get("/api/auth/me"), 401, 40001)
    assert body["message"] == "Unauthenticated."
    login = await add_and_log_in(service)
    success(await service.client.delete("/api/auth/logout", headers=login.headers))
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)
    wrong_method = await service.client.post("/api/auth/me")
    assert assert_refused(wrong_method, 405, 40001)["message"] == "禁止访问"
    await forget_attempts(service.settings)
    guesses = [
        await service.client.post("/api/auth/login", json=CREDENTIALS | {"password": f"guess {number}"})
        for number in range(6)
    ]
    throttled = next(guess for guess in guesses if guess.status_code != 401)
    assert_refused(throttled, 429, 40001)
    assert int(throttled.headers["retry-after"]) >= 1


async def test_40003_the_scope_is_missing(service: Instance) -> None:
    login = await add_and_log_in(service)
    body = assert_refused(await service.client.get("/api/users", headers=login.headers), 403, 40003)
    assert body["message"] == "权限不足"


async def test_40004_there_is_none(service: Instance) -> None:
    root = await add_and_log_in(service, scopes=["users:read"])
    for path in ("/api/users/12345", "/api/auth/me/", "/api/nothing"):
        body = assert_refused(await service.client.get(path, headers=root.headers), 404, 40004)
        assert body["message"] == "查询为空"
    session = "/api/auth/sessions/00000000-0000-4000-8000-000000000000"
    assert_refused(await service.client.delete(session, headers=root.headers), 404, 40004)


async def test_40005_the_token_or_its_session_has_expired(start: Start) -> None:
    service = await start(access_ttl=1)
    login = await add_and_log_in(service)
    await asyncio.sleep(1.2)
    body = assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40005)
    assert body["message"] == "Unauthenticated."
    short_lived = await start(refresh_ttl=1)
    login = await add_and_log_in(short_lived, "bob@wutang.example")
    await asyncio.sleep(1.2)
    assert_refused(await short_lived.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)), 401, 40005)


async def test_50001_the_database_is_away(start: Start) -> None:
    service = await start(db_connect_timeout=1.0)
    login = await add_and_log_in(service)
    async with unreachable(service.settings):
        response = await service.client.get("/api/auth/me", headers=login.headers)
        body = assert_refused(response, 503, 50001)
        assert body["message"] == "操作失败"
        assert int(response.headers["retry-after"]) >= 1
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_50001_the_service_has_a_bug(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    login = await add_and_log_in(service)
    service.app.state.services = None  # what no release does
    body = assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 500, 50001)
    assert body["message"] == "操作失败"
    assert "bug" in caplog.text


def test_no_code_is_missing_here() -> None:
    tested = {name[5:10] for name in globals() if name.startswith("test_") and name[5:10].isdigit()}
    assert tested == {str(code.number) for code in ResponseCode}
