"""Headers, paths and queries that nobody should send."""

from ipaddress import ip_network

import httpx
import pytest

from support.database import addresses_of
from support.http import assert_refused, success
from support.services import Instance, running
from support.users import Login, add_and_log_in, add_user, log_in
from wutang_auth.settings import Settings


@pytest.fixture(scope="module")
async def shared(shared_service: Instance) -> tuple[Instance, Login]:
    """A service, and somebody who has logged in."""
    return shared_service, await add_and_log_in(shared_service)


async def get_me(instance: Instance, *authorization: bytes) -> httpx.Response:
    headers = [(b"Authorization", value) for value in authorization]
    return await instance.client.get("/api/auth/me", headers=headers)


# -- Authorization


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer  ", "Bearer     "])
async def test_scheme_is_read_in_any_case_and_with_more_space(shared: tuple[Instance, Login], scheme: str) -> None:
    instance, login = shared
    success(await get_me(instance, f"{scheme}{login.access_token}".encode()))


@pytest.mark.parametrize(
    "scheme",
    [
        "", "Basic ", "Digest ", "Token ", "JWT ", "Bearer", "Bearer:", "Bearer\t", "Bearer=", "Bearer, ", "Bear ",
        "DPoP ", '"Bearer" ', "Bearer,Bearer ", "\u0412earer ", "Bearer\u00a0", "XBearer ",
    ],
    ids=ascii,
)  # fmt: skip
async def test_other_schemes_are_no_token(shared: tuple[Instance, Login], scheme: str) -> None:
    instance, login = shared
    response = await get_me(instance, f"{scheme}{login.access_token}".encode())
    assert_refused(response, 401, 40001)
    assert "error" not in response.headers["www-authenticate"]


@pytest.mark.parametrize("value", [b"Bearer ", b"Bearer   ", b"bearer "])
async def test_scheme_without_a_token_is_refused(shared: tuple[Instance, Login], value: bytes) -> None:
    assert_refused(await get_me(shared[0], value), 401, 40001)


async def test_two_authorization_headers_are_refused_even_if_equal(shared: tuple[Instance, Login]) -> None:
    instance, login = shared
    genuine = f"Bearer {login.access_token}".encode()
    for pair in ((genuine, genuine), (genuine, b"Basic eA=="), (b"Basic eA==", genuine), (genuine, b"")):
        assert_refused(await get_me(instance, *pair), 401, 40001)


@pytest.mark.parametrize(
    "name", ["X-Authorization", "Proxy-Authorization", "Cookie", "X-Access-Token", "Authentication"]
)
async def test_token_in_another_header_is_no_token(shared: tuple[Instance, Login], name: str) -> None:
    instance, login = shared
    response = await instance.client.get("/api/auth/me", headers={name: f"Bearer {login.access_token}"})
    assert_refused(response, 401, 40001)


async def test_token_in_query_or_body_is_no_token(shared: tuple[Instance, Login]) -> None:
    instance, login = shared
    for name in ("access_token", "token", "authorization", "Authorization"):
        assert_refused(await instance.client.get("/api/auth/me", params={name: login.access_token}), 401, 40001)
        response = await instance.client.request("GET", "/api/auth/me", data={name: login.access_token})
        assert_refused(response, 401, 40001)


async def test_long_heads_are_refused(shared: tuple[Instance, Login]) -> None:
    instance, _ = shared
    for headers in (
        {"Authorization": "Bearer " + "A" * 16_400},
        {"Cookie": "x" * 17_000},
        {f"X-{number}": "x" * 100 for number in range(200)},
        {"X" * 17_000: "x"},
    ):
        assert_refused(await instance.client.get("/api/auth/me", headers=headers), 431, 10001)
    assert_refused(await instance.client.get(f"/api/response_code?{'x' * 17_000}"), 431, 10001)
    assert_refused(await instance.client.get(f"/api/{'x' * 17_000}"), 431, 10001)


# -- Host, request id


@pytest.mark.parametrize(
    "host", [b"a\x00b", b"a b", b"a/b", b"x@y", b"a\\b", b"\xff", b"<script>", b"a" * 300], ids=repr
)
async def test_hosts_that_cannot_be_are_refused(shared: tuple[Instance, Login], host: bytes) -> None:
    response = await shared[0].client.get("/api/response_code", headers=[(b"Host", host)])
    assert_refused(response, response.status_code, 10001)
    assert 400 <= response.status_code < 500


async def test_any_sensible_host_is_served(shared: tuple[Instance, Login]) -> None:
    for host in ("store.wutang.example", "localhost:8000", "127.0.0.1", "[::1]:8000", "a.b-c.d:65535", "10.0.0.1:80"):
        success(await shared[0].client.get("/api/response_code", headers={"Host": host}))


@pytest.mark.parametrize("given", ["abc", "a.b:c_d-e", "0" * 128, "8d9a1c9e-2f0e-4a6b-9c4d-5b8f0d3e7a61"])
async def test_request_id_is_kept(shared: tuple[Instance, Login], given: str) -> None:
    response = await shared[0].client.get("/api/response_code", headers={"X-Request-ID": given})
    assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize(
    "given",
    [b"", b" ", b"a b", b"a\r\nSet-Cookie: x=1", b"a\nb", b"a\x00b", b"\xff", b"<b>", b"a" * 129, b"\x1b[31m"],
    ids=repr,
)  # fmt: skip
async def test_request_id_that_could_forge_a_line_is_replaced(shared: tuple[Instance, Login], given: bytes) -> None:
    response = await shared[0].client.get("/api/response_code", headers=[(b"X-Request-ID", given)])
    [answered] = response.headers.get_list("x-request-id")
    assert len(answered) == 16
    assert answered.isalnum()


async def test_request_ids_differ(shared: tuple[Instance, Login]) -> None:
    answers = [await shared[0].client.get("/healthz") for _ in range(5)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 5


# -- the client's address


async def test_ipv4_client_of_a_socket_for_both_is_ipv4(settings: Settings) -> None:
    """Then its network is trusted, and its session shows the address that everybody else sees."""
    trusting = settings.model_copy(update={"trusted_proxies": (ip_network("10.0.0.0/8"),)})
    await add_user(settings)
    async with running(trusting) as instance:
        transport = httpx.ASGITransport(instance.app, client=("::ffff:10.0.0.9", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://wutang.test") as client:
            await log_in(client)
            client.headers["X-Forwarded-For"] = "::ffff:203.0.113.7"
            await log_in(client)
            client.headers["X-Forwarded-For"] = "203.0.113.8, " + "10.0.0.1, " * 20 + "10.0.0.2"
            await log_in(client)
    assert await addresses_of(settings) == ["10.0.0.9", "203.0.113.7", "203.0.113.8"]


# -- paths and queries


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/me%00", "/api/auth/%00", "/%00", "/api/auth/me%0d%0aX: y", "/api/%ff", "/api/%c3%28",
        "/api/%ed%a0%80", "/api/auth/..%2fme", "/api//auth/me", "//api/auth/me", "/api/auth/me;x=1",
        "/api/auth/me%20", "/API/auth/me", "/api/auth/ME", "/api/auth/m%65%", "/api/auth/me%2f", "/%2e/api/auth/me",
        "/.git/config", "/api/auth/me.json", "/docs/..%2f..%2fpyproject.toml", "/docs/%2e%2e/%2e%2e/pyproject.toml",
        "/.well-known/jwks.json%00", "/api/users/1/", "/api/users/1%2f2", "/api/auth/sessions/%2f",
    ],
)  # fmt: skip
async def test_paths_that_name_nothing_are_not_found(shared: tuple[Instance, Login], path: str) -> None:
    instance, login = shared
    target = httpx.URL("http://wutang.test").copy_with(raw_path=path.encode())
    response = await instance.client.send(httpx.Request("GET", target, headers=login.headers))
    assert_refused(response, 404, 40004)


@pytest.mark.parametrize(
    "user_id", ["%00", "1%00", "%EF%BC%91", "-1", "0", "01", "1.0", "9223372036854775808", "9" * 99]
)
async def test_who_may_not_look_is_not_told_what_is_there(shared: tuple[Instance, Login], user_id: str) -> None:
    instance, login = shared
    for path in (user_id, "1", "2"):
        response = await instance.client.get(f"/api/users/{path}", headers=login.headers)
        assert response.status_code in (403, 404)
        assert response.json()["code"] in (40003, 40004)


@pytest.mark.parametrize(
    "asked",
    ["%00", "%ff=%ff", "everywhere", "=", "&&&", "a=b;c=d", "%", "%zz=1", "a" * 5000, "&".join(["a=1"] * 2000), "[]=1"],
    ids=len,
)
async def test_queries_that_mean_nothing_are_ignored(shared: tuple[Instance, Login], asked: str) -> None:
    instance, login = shared
    target = httpx.URL("http://wutang.test").copy_with(raw_path=b"/api/auth/me?" + asked.encode())
    success(await instance.client.send(httpx.Request("GET", target, headers=login.headers)))


@pytest.mark.parametrize("asked", ["", "%00", "%ff", "%ed%a0%80", "true%00", "%EF%BC%91", "true,false", "TRUE%20"])
async def test_query_that_is_no_boolean_is_refused(shared: tuple[Instance, Login], asked: str) -> None:
    instance, login = shared
    target = httpx.URL("http://wutang.test").copy_with(raw_path=b"/api/auth/logout?everywhere=" + asked.encode())
    response = await instance.client.send(httpx.Request("DELETE", target, headers=login.headers))
    assert_refused(response, 422, 10001)
    success(await instance.client.get("/api/auth/me", headers=login.headers))


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-HTTP-Method-Override",
        "X-Forwarded-Host",
        "Forwarded",
    ],
)
async def test_headers_that_would_reroute_have_no_effect(shared: tuple[Instance, Login], name: str) -> None:
    instance, login = shared
    value = {"X-HTTP-Method-Override": "DELETE"}.get(name, "/api/auth/logout")
    me = await instance.client.get("/api/auth/me", headers={**login.headers, name: value})
    assert success(me)["id"] == login.user_id
    success(await instance.client.get("/api/auth/me", headers=login.headers))
