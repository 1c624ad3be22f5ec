"""Verify: what a gateway is told of its client's request, whatever that request is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from support.database import change_users, delete_users, disable_behind_the_back, expire_sessions, unreachable
from support.http import assert_refused, success
from support.services import Instance, Start, serving
from support.tokens import EXPIRED, bearer, forge
from support.users import CREDENTIALS, Login, add_and_log_in, add_user, log_in, token_pair

PATH = "/api/auth/verify"
ORIGIN = "https://shop.wutang.example"
SCOPES = ["orders:read", "orders:write"]


async def verify(
    instance: Instance, login: Login, path: str = PATH, method: str = "GET", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await instance.client.request(method, path, headers={**login.headers, **named})


def assert_let_in(response: httpx.Response, login: Login, scopes: str = "") -> None:
    assert (response.status_code, response.content) == (200, b""), response.text
    assert response.headers["x-user-id"] == str(login.user_id)
    assert response.headers["x-session-id"] == str(login.session_id)
    assert response.headers["x-scopes"] == scopes
    assert response.headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
async def shopper(shared_service: Instance) -> Login:
    """Somebody who has logged in at the service that the tests of this file share."""
    return await add_and_log_in(shared_service, scopes=SCOPES)


async def test_the_gateway_is_told_who_its_client_is(service: Instance) -> None:
    login = await add_and_log_in(service, scopes=SCOPES)
    assert_let_in(await verify(service, login), login, "orders:read orders:write")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/write/7%2f8", f"{PATH}//x", f"{PATH}/%2e%2e/users"])
async def test_every_method_is_answered_at_the_path_and_below(
    shared_service: Instance, shopper: Login, method: str, path: str
) -> None:
    assert_let_in(await verify(shared_service, shopper, path, method), shopper, "orders:read orders:write")
    assert_refused(await shared_service.client.request("GET", path), 401, 40001)


async def test_a_path_that_only_begins_alike_is_not_found(service: Instance) -> None:
    login = await add_and_log_in(service)
    for path in (f"{PATH}x", f"{PATH}.json", "/api/auth/verif", f"{PATH}%20"):
        assert_refused(await verify(service, login, path), 404, 40004)


async def test_a_prefix_that_the_gateway_forwards_is_no_part_of_the_path(start: Start) -> None:
    service = await start(root_path="/auth")
    login = await add_and_log_in(service)
    assert_let_in(await verify(service, login, f"/auth{PATH}/orders", "POST"), login)
    assert_let_in(await verify(service, login), login)


@pytest.mark.parametrize("given", [True, False], ids=["preflight", "plain"])
async def test_options_is_never_answered_as_a_preflight(start: Start, given: bool) -> None:
    service = await start(cors_origins=(ORIGIN,))
    login = await add_and_log_in(service)
    preflight = {"Access-Control-Request-Method": "PUT"} if given else {}
    for path in (PATH, f"{PATH}/orders"):
        response = await service.client.options(path, headers={"Origin": ORIGIN, **preflight})
        assert_refused(response, 401, 40001)
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-methods" not in response.headers
        assert_let_in(await verify(service, login, path, "OPTIONS", Origin=ORIGIN, **preflight), login)
    assert (await service.client.options("/api/auth/me", headers={"Origin": ORIGIN, **preflight})).status_code in (
        (200,) if given else (405,)
    )


# -- Scopes


@pytest.mark.parametrize(
    "query",
    [
        "", "?required_scope=", "?required_scope=orders:read", "?required_scope=orders:write%20orders:read",
        "?required_scope=orders:read+orders:read", "?required_scope=orders:read&required_scope=orders:write", "?x=y",
    ],
)  # fmt: skip
async def test_who_has_all_scopes_of_the_query_is_let_in(shared_service: Instance, shopper: Login, query: str) -> None:
    assert_let_in(await verify(shared_service, shopper, PATH + query), shopper, "orders:read orders:write")


@pytest.mark.parametrize(
    ("query", "header", "named"),
    [
        ("?required_scope=orders:delete", "", "orders:delete"),
        ("?required_scope=orders:read%20orders:delete", "", "orders:delete orders:read"),
        ("?required_scope=orders:read&required_scope=orders:delete", "", "orders:delete orders:read"),
        ("", "orders:delete", "orders:delete"),
        ("?required_scope=orders:read", "orders:write  orders:delete", "orders:read orders:delete orders:write"),
    ],
)
async def test_who_lacks_a_scope_of_query_or_header_is_refused(
    shared_service: Instance, shopper: Login, query: str, header: str, named: str
) -> None:
    response = await verify(shared_service, shopper, PATH + query, X_Required_Scopes=header)
    assert_refused(response, 403, 40003)
    expected = f'Bearer realm="wutang-auth", error="insufficient_scope", scope="{named}"'
    assert response.headers["www-authenticate"] == expected
    assert "x-user-id" not in response.headers


async def test_below_the_path_the_header_counts_and_the_query_is_the_clients_own(service: Instance) -> None:
    login = await add_and_log_in(service)
    for path in (f"{PATH}/orders?required_scope=orders:read", f"{PATH}/?required_scope=NO!", f"{PATH}/x?%ff"):
        assert_let_in(await verify(service, login, path), login)
        assert_refused(await verify(service, login, path, X_Required_Scopes="orders:read"), 403, 40003)


@pytest.mark.parametrize("scope", ['x"', "Orders", "a,b", "*", "x" * 65, "ä"])
async def test_scope_that_cannot_be_is_refused_and_not_repeated(
    shared_service: Instance, shopper: Login, scope: str
) -> None:
    by_query = await shared_service.client.get(PATH, params={"required_scope": scope}, headers=shopper.headers)
    by_header = await shared_service.client.get(
        PATH,
        headers=[(b"X-Required-Scopes", scope.encode()), (b"Authorization", shopper.headers["Authorization"].encode())],
    )
    for response, field in ((by_query, "required_scope"), (by_header, "X-Required-Scopes")):
        assert [error["field"] for error in assert_refused(response, 422, 10001)["errors"]] == [field]
        assert "www-authenticate" not in response.headers


async def test_scopes_are_those_of_now(service: Instance) -> None:
    login = await add_and_log_in(service, scopes=SCOPES)
    await change_users(service.settings, scopes=["orders:read"])
    assert_let_in(await verify(service, login), login, "orders:read")
    assert_refused(await verify(service, login, X_Required_Scopes="orders:write"), 403, 40003)


async def test_scopes_of_another_program_that_would_break_a_header_are_left_out(service: Instance) -> None:
    login = await add_and_log_in(service)
    await change_users(service.settings, scopes=["x\r\nX-User-Id: 1", "王", "a b", 'q"', "orders:read"])
    assert_let_in(await verify(service, login), login, "orders:read")


# -- Who is refused


async def _log_out(instance: Instance, login: Login) -> None:
    success(await instance.client.delete("/api/auth/logout", headers=login.headers))


async def _disable(instance: Instance, _login: Login) -> None:
    await disable_behind_the_back(instance.settings)


async def _delete(instance: Instance, _login: Login) -> None:
    await delete_users(instance.settings)


async def _expire(instance: Instance, _login: Login) -> None:
    await expire_sessions(instance.settings)


@pytest.mark.parametrize(
    ("end", "code"),
    [(_log_out, 40001), (_disable, 40001), (_delete, 40001), (_expire, 40005)],
    ids=["logged out", "disabled", "deleted", "past its lifetime"],
)
async def test_session_that_is_no_more_is_refused_at_once(
    service: Instance, end: Callable[[Instance, Login], Awaitable[None]], code: int
) -> None:
    login = await add_and_log_in(service)
    assert_let_in(await verify(service, login), login)
    await end(service, login)
    response = await verify(service, login, f"{PATH}/orders", "POST")
    assert assert_refused(response, 401, code)["message"] == "Unauthenticated."
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_other_tokens_than_live_access_tokens_are_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    for token, code in ((login.refresh_token, 40001), ("nonsense", 40001), (expired, 40005)):
        assert_refused(await service.client.get(PATH, headers=bearer(token)), 401, code)


async def test_with_the_database_away_it_is_503(start: Start) -> None:
    service = await start(db_connect_timeout=1.0)
    login = await add_and_log_in(service)
    async with unreachable(service.settings):
        response = await verify(service, login)
        assert_refused(response, 503, 50001)
        assert int(response.headers["retry-after"]) >= 1


# -- Bodies, over a real socket


async def test_a_body_is_not_waited_for(database_url: str, environment: dict[str, str], tmp_path: Path) -> None:
    """And nothing may follow on the connection, where it would be taken for that body."""
    await add_user(database_url)
    async with serving(environment, tmp_path / "log") as process, process.client() as client:
        login = token_pair(await client.post("/api/auth/login", json=CREDENTIALS))
        port = int(process.base_url.rpartition(":")[2])
        for announced in ("Content-Length: 7", "Content-Length: 104857600", "Transfer-Encoding: chunked"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = (
                f"POST {PATH}/upload HTTP/1.1\r\nHost: x\r\n{announced}\r\nAuthorization: Bearer {login.access_token}"
            )
            writer.write(f"{head}\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: close\r\n" in answer
            writer.close()


async def test_a_body_of_no_bytes_keeps_the_connection(
    database_url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Envoy announces it each time."""
    await add_user(database_url)
    async with serving(environment, tmp_path / "log") as process, process.client() as client:
        for _ in range(2):
            answer = await client.post(f"{PATH}/orders", content=b"")
            assert answer.request.headers["content-length"] == "0"
            assert_refused(answer, 401, 40001)
            assert "connection" not in answer.headers


async def test_two_logins_are_told_apart(service: Instance) -> None:
    first = await add_and_log_in(service)
    second = await log_in(service.client)
    assert (await verify(service, first)).headers["x-session-id"] == str(first.session_id)
    assert (await verify(service, second)).headers["x-session-id"] == str(second.session_id)
