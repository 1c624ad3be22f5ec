"""Kind 6: an answer made outside the layer that owes it something.

`HTTPException(403)`, plain routes and `app.add_middleware` are in tests/api/test_fastapi_habits.py; a browser sees the
413 and the added headers in clients/browser.mjs.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette._utils import get_route_path

from support.database import temporary_database
from support.http import assert_refused, success
from support.services import Instance, Process, Start, environment_of, serving, shared_among_tests
from support.users import CREDENTIALS, add_and_log_in, add_user
from wutang_auth.api.paths import route_path

SHOP = "https://shop.example"
ORIGIN = {"Origin": SHOP}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "PUT"}


@pytest.fixture(scope="module")
async def service_of_the_shop(keys_file: Path) -> AsyncIterator[Instance]:
    """A service for the tests of this file that change nothing in it; pages of the shop, and its app, may use it."""
    async with shared_among_tests(keys_file, cors_origins=(SHOP, "capacitor://localhost")) as instance:
        yield instance


def assert_owes_nothing(response: httpx.Response) -> None:
    assert response.headers["access-control-allow-origin"] == SHOP
    assert "Retry-After" in response.headers["access-control-expose-headers"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(response.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("size", [20_000, 16_385, 900_000], ids=lambda size: f"6: a body of {size} bytes")
async def test_6_too_large_body_may_be_read_by_the_page(service_of_the_shop: Instance, size: int) -> None:
    response = await service_of_the_shop.client.post("/api/auth/login", headers=ORIGIN, content=b"x" * size)
    assert assert_refused(response, 413, 10001)["errors"] == []
    assert_owes_nothing(response)


@pytest.fixture(scope="module")
async def server(keys_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A service in a process of its own, which pages of the shop may use."""
    async with temporary_database() as url:
        environment = environment_of(url, keys_file, cors_origins=SHOP)
        async with serving(environment, tmp_path_factory.mktemp("server") / "log") as process:
            yield process


async def test_6_refused_preflight_is_an_envelope(start: Start) -> None:
    service = await start(cors_origins=(SHOP,))
    for changes in ({"Origin": "https://evil.example"}, {"Access-Control-Request-Method": "TRACE"}):
        response = await service.client.options("/api/auth/me", headers={**PREFLIGHT, **changes})
        assert_refused(response, 400, 10001)
        assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "prelude",
    [
        b"X-A: a\x00b\r\n\r\n",
        b"X A: b\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Content-Length: 2, 2\r\n\r\n",
    ],
    ids=ascii,
)
async def test_6_parsers_refusal_may_be_read_by_the_page(server: Process, prelude: bytes) -> None:
    url = httpx.URL(server.base_url)
    for origin, is_allowed in ((SHOP.encode(), True), (b"https://evil.example", False)):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = (
            b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nOrigin: " + origin + b" \r\nAccept-Language: en\r\nX-B: b\r\n"
        )
        writer.write(head + prelude)
        answered = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
        headers, _, body = answered.partition("\r\n\r\n")
        assert headers.startswith("HTTP/1.1 400 ")
        assert json.loads(body) == {"code": 10001, "message": "Invalid parameters", "data": None, "errors": []}
        assert (f"access-control-allow-origin: {SHOP}\r\n" in headers) == is_allowed
        assert "evil" not in headers
        assert "x-request-id: " in headers
        assert "x-frame-options: DENY" in headers


@pytest.mark.parametrize("prefix", ["", "/auth"], ids=["stripped", "kept"])
async def test_6_gateway_may_keep_the_prefix(start: Start, prefix: str) -> None:
    service = await start(root_path="/auth")
    login = await add_and_log_in(service)
    client = service.client
    answers = [
        await client.get(f"{prefix}/api/auth/me", headers=login.headers),
        await client.post(f"{prefix}/api/auth/login", json=CREDENTIALS),
        await client.get(f"{prefix}/api/auth/sessions", headers=login.headers),
        await client.put(f"{prefix}/api/auth/refresh", headers=login.headers),
    ]
    for response in answers:
        success(response)
        assert response.headers["cache-control"] == "no-store"
    refused = await client.get(f"{prefix}/api/users")
    assert_refused(refused, 401, 40001)
    assert refused.headers["cache-control"] == "no-store"
    not_allowed = await client.post(f"{prefix}/api/auth/me")
    assert_refused(not_allowed, 405, 40001)
    assert not_allowed.headers["allow"] == "GET, HEAD, PATCH"
    assert (await client.head(f"{prefix}/api/auth/me")).status_code == 401
    assert_refused(await client.get(f"{prefix}/api/auth/nope"), 404, 40004)
    assert (await client.get(f"{prefix}/docs")).status_code == 200
    assert "cache-control" not in (await client.get(f"{prefix}/healthz")).headers


async def test_6_only_the_whole_prefix_is_one(start: Start) -> None:
    service = await start(root_path="/auth")
    for path in ("/authx/api/auth/me", "/auth", "/auth/", "/Auth/api/auth/me", "/x/auth/api/auth/me"):
        assert_refused(await service.client.get(path), 404, 40004)


@pytest.mark.parametrize("prefix", ["", "/auth", "/a/b"])
@pytest.mark.parametrize(
    "path",
    ["/", "/api/auth/me", "/auth", "/auth/", "/authx", "/auth/api", "/auth/auth/api", "/a/b/c", "/a/bc", "*", ""],
)
def test_6_path_is_read_as_the_router_reads_it(prefix: str, path: str) -> None:
    scope = {"type": "http", "path": path, "root_path": prefix}
    assert route_path(scope) == get_route_path(scope)


HARMLESS = [
    "x-requested-with", "traceparent", "x-csrf-token", "cache-control",
    # found besides: what axios, Angular, Sentry, Datadog, Laravel Echo, Stripe's convention and browsers add
    "x-xsrf-token", "tracestate", "baggage", "sentry-trace", "pragma", "if-none-match", "if-modified-since",
    "idempotency-key", "x-socket-id", "x-datadog-trace-id", "x-b3-traceid", "x-client-version", "priority",
    "authorization,content-type,x-requested-with", "authorization, x-request-id", "X-Requested-With", "", "ngsw-bypass",
]  # fmt: skip


@pytest.mark.parametrize("asked", HARMLESS, ids=lambda asked: f"6: {asked}")
async def test_6_headers_that_libraries_add_are_allowed(service_of_the_shop: Instance, asked: str) -> None:
    for origin in (SHOP, "capacitor://localhost"):
        headers = {**PREFLIGHT, "Origin": origin, "Access-Control-Request-Headers": asked}
        response = await service_of_the_shop.client.options("/api/auth/refresh", headers=headers)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == origin
        allowed = response.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        assert set(asked.lower().replace(" ", "").split(",")) <= set(allowed)


@pytest.mark.parametrize(
    "asked",
    [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-user-id",
        "authorization,x-scopes",
        "a b",
        "a(b",
        "x-\u00e9",
        "a:b",
    ],
)
async def test_6_headers_that_tell_who_a_client_is_are_not(service_of_the_shop: Instance, asked: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in PREFLIGHT.items()]
    headers.append((b"Access-Control-Request-Headers", asked.encode()))
    response = await service_of_the_shop.client.options("/api/auth/refresh", headers=headers)
    assert_refused(response, 400, 10001)
    assert "access-control-allow-headers" not in response.headers


async def test_6_bug_and_overload_may_be_read_by_the_page(start: Start) -> None:
    service = await start(cors_origins=(SHOP,), hash_queue=1)
    service.app.state.services = None
    response = await service.client.get("/api/auth/me", headers={**ORIGIN, "Authorization": "Bearer x"})
    assert_refused(response, 500, 50001)
    assert_owes_nothing(response)


async def test_6_throttled_login_tells_the_page_when_to_come_back(start: Start) -> None:
    service: Instance = await start(cors_origins=(SHOP,), throttle_account_failures=1)
    await add_user(service.settings)
    for _ in range(3):
        wrong = {**CREDENTIALS, "password": "wrong"}
        response = await service.client.post("/api/auth/login", json=wrong, headers=ORIGIN)
    assert_refused(response, 429, 40001)
    assert_owes_nothing(response)
    assert int(response.headers["retry-after"]) >= 1
