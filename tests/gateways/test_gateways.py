"""What every gateway of deploy/gateways does with our tokens, by its own program; `make gateways` runs it."""

import asyncio
import json
import posixpath
import re
import time
from urllib.parse import unquote, urlsplit

import pytest

from gateways.stage import READER, WRITER, Gateway, Service
from gateways.wire import answer_on, connected, head
from support.database import unreachable
from support.tokens import EXPIRED, Forge, bearer, encode_segment, header_of
from support.users import PASSWORD, Login
from wutang_auth.tokens.key_ring import KeyRing

pytestmark = pytest.mark.long

ASKING = ["nginx", "haproxy", "envoy", "traefik", "caddy"]
AWAY = {"nginx": 503, "haproxy": 503, "envoy": 503, "traefik": 500, "caddy": 502}
OFFLINE = ["haproxy-offline", "envoy-offline"]
by_all = pytest.mark.parametrize("gateway", ASKING + OFFLINE, indirect=True, scope="module")
by_asking = pytest.mark.parametrize("gateway", ASKING, indirect=True, scope="module")
by_offline = pytest.mark.parametrize("gateway", OFFLINE, indirect=True, scope="module")

IDENTITY = ["X-User-Id", "X-Session-Id", "X-Scopes", "X-Required-Scopes"]
PREFLIGHT = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PUT"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def told(seen: dict[str, dict[str, str]]) -> dict[str, str]:
    """What the protected service is told of the user, in the spelling of a server that knows no dashes."""
    names = {re.sub(r"[^a-z0-9]", "_", name): value for name, value in seen["headers"].items()}
    kept = {name.lower().replace("-", "_") for name in IDENTITY}
    return {name: value for name, value in names.items() if name in kept and value}


def told_of(login: Login, scopes: str) -> dict[str, str]:
    return {"x_user_id": str(login.user_id), "x_session_id": str(login.session_id), "x_scopes": scopes}


def expired(login: Login, forge: Forge) -> str:
    return forge.changed(login.access_token, iat=EXPIRED - 3600, nbf=EXPIRED - 3600, exp=EXPIRED)


def unsigned(login: Login) -> str:
    header = encode_segment({**header_of(login.access_token), "alg": "none"})
    return f"{header}.{login.access_token.split('.')[1]}."


@by_all
async def test_without_a_token_nothing_passes(gateway: Gateway) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        answer = gateway.refused(method, "/orders")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert gateway.refused("GET", "/orders", bearer("nonsense")).status == 401


@by_all
async def test_with_a_token_every_method_passes(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        seen = gateway.passed(method, "/orders/1?page=2", login.headers)
        assert (seen["method"], seen["target"]) == (method, "/orders/1?page=2")
        assert told(seen) == told_of(login, "orders:read")
    assert gateway.call("HEAD", "/orders/1", login.headers).status == 200


@by_all
async def test_other_tokens_are_refused(gateway: Gateway, service: Service) -> None:
    login, forge = await service.log_in(), service.forge()
    for token in (
        expired(login, forge),
        login.refresh_token,
        f"{login.access_token[:-4]}AAAA",
        forge.changed(login.access_token, aud="others"),
        forge.changed(login.access_token, iss="others"),
        forge.changed(login.access_token, exp=...),
        Forge(KeyRing.generate().active).changed(login.access_token),
        unsigned(login),
    ):
        # Envoy's own 403 is for an audience that is not the one it wants
        assert gateway.refused("GET", "/orders", bearer(token)).status in {401, 403}, token


@by_asking
async def test_a_refusal_says_why_as_the_service_does(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    for answer, status, code in (
        (gateway.refused("GET", "/orders"), 401, 40001),
        (gateway.refused("GET", "/orders", bearer(expired(login, service.forge()))), 401, 40005),
        (gateway.refused("GET", "/write/1", login.headers), 403, 40003),
    ):
        assert answer.headers["Content-Type"] == "application/json"
        assert (answer.status, answer.document["code"]) == (status, code)


@by_asking
async def test_a_refusal_for_want_of_a_fresh_proof_has_the_challenge_of_the_service(
    gateway: Gateway, service: Service
) -> None:
    """By which clients know that the user has to prove who it is once more, and how lately (RFC 9470 section 3)."""
    login = await service.log_in(WRITER)
    gateway.passed("POST", "/write/1", login.headers)
    await service.age_proofs()
    answer = gateway.refused("POST", "/write/1", login.headers)
    assert answer.status == 403
    assert answer.headers.get_all("WWW-Authenticate") == [
        'Bearer realm="wutang-auth", error="insufficient_user_authentication", max_age="300"'
    ]
    gateway.passed("POST", "/write/1", (await service.log_in(WRITER)).headers)


@by_asking
async def test_after_a_logout_through_it_the_token_is_refused(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    gateway.passed("GET", "/orders", login.headers)
    assert gateway.refused("DELETE", "/api/auth/logout", login.headers).status == 200
    assert gateway.refused("GET", "/orders", login.headers).status == 401


@by_all
async def test_a_path_can_need_a_scope_of_its_own(gateway: Gateway, service: Service) -> None:
    reader, writer = await service.log_in(), await service.log_in(WRITER)
    assert told(gateway.passed("POST", "/write/1", writer.headers)) == told_of(writer, "orders:read orders:write")
    assert gateway.refused("POST", "/write/1", reader.headers).status == 403
    assert gateway.refused("POST", "/write/1").status == 401


@by_all
async def test_the_query_of_a_client_changes_nothing_about_scopes(gateway: Gateway, service: Service) -> None:
    reader = await service.log_in()
    for query in ("required_scope=", "required_scope=orders:read", "a&required_scope=&required_scope=orders:read"):
        assert gateway.refused("GET", f"/write/1?{query}", reader.headers).status == 403
    seen = gateway.passed("GET", "/orders?required_scope=nobody:has", reader.headers)
    assert seen["target"] == "/orders?required_scope=nobody:has"


@by_all
async def test_no_spelling_of_a_path_gets_around_its_scope(gateway: Gateway, service: Service) -> None:
    reader = await service.log_in()
    targets = [
        "/write", "/write/", "/WRITE/1", "/write;v=1/1", "/write.json", "//write/1", "///write/1", "/./write/1",
        "/orders/../write/1", "/orders/%2e%2e/write/1", "/orders/%2E%2E/write/1", "/orders/..%2fwrite/1",
        "/orders/..%2Fwrite/1", "/%77rite/1", "/%57rite/1", "/write%2f1", "/%2fwrite/1", "/orders/..\\write\\1",
        "/orders/%2e%2e%5cwrite/1", "/orders//../write/1", "/orders/.%2e/write/1", "/api/auth/../../write/1",
        "/api/auth/%2e%2e/%2e%2e/write/1", "/.well-known/..%2fwrite/1", "/orders#/../write/1", "/write?/orders",
        "http://shop.example/write/1", "http://shop.example//write/1", "/orders/../../../write/1",
    ]  # fmt: skip
    for target in targets:
        before = gateway.orders.requests
        assert gateway.call("GET", target).status >= 400, target
        assert gateway.orders.requests == before, target
        answer = gateway.call("GET", target, reader.headers)
        if gateway.orders.requests > before:
            path = urlsplit(answer.document["target"]).path.partition("#")[0]
            resolved = posixpath.normpath(unquote(path).replace("\\", "/")).lower()
            assert not resolved.lstrip("/").startswith("write"), (target, answer.document["target"])
        else:
            assert answer.status >= 400, target


@by_all
async def test_no_client_says_who_it_is(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    spellings = [
        re.sub("-", separator, spelling)
        for name in IDENTITY
        for spelling in (name, name.upper())
        for separator in "-_.!#$%&'*+^`|~"
    ] + ["X-User_Id", "x_user-id", "X_Required-Scopes"]
    for spelling in spellings:
        spoofed = [(spelling, "4711"), (spelling, "4712")]
        seen = gateway.passed("GET", "/orders", [*login.headers.items(), *spoofed])
        assert told(seen) == told_of(login, "orders:read"), spelling
        assert gateway.refused("GET", "/orders", spoofed).status == 401
        seen = gateway.passed("OPTIONS", "/orders", [*PREFLIGHT.items(), *spoofed])
        assert told(seen) == {}, spelling
        gateway.refused("GET", "/write/1", [*login.headers.items(), *spoofed])


@by_all
async def test_no_client_has_headers_of_the_gateway_removed(gateway: Gateway, service: Service) -> None:
    """By naming them in `Connection`, as those that concern one connection only (RFC 9110 section 7.6.1)."""
    reader = await service.log_in()
    for name in [*IDENTITY, "Authorization", ", ".join([*IDENTITY, "Authorization"])]:
        headers = {**reader.headers, "Connection": f"close, {name}"}
        answer = gateway.call("GET", "/orders", headers)
        assert answer.status in {200, 401}, name
        if answer.status == 200:
            seen = {"headers": {key.lower(): value for key, value in answer.document["headers"]}}
            assert told(seen) == told_of(reader, "orders:read"), name
            assert name not in seen["headers"].get("connection", "")
        assert gateway.refused("GET", "/write/1", headers).status in {401, 403}, name


@by_all
async def test_an_upload_of_100_kilobytes_arrives(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    body = b"x" * 100_000
    assert gateway.passed("POST", "/orders", login.headers, body)["length"] == len(body)
    assert gateway.passed("POST", "/orders", {**login.headers, "Expect": "100-continue"}, body)["length"] == len(body)
    with connected(gateway.port) as connection:
        connection.sendall(head("POST", "/orders", {**login.headers, "Transfer-Encoding": "chunked"}))
        for _ in range(10):
            connection.sendall(b"%x\r\n%s\r\n" % (10_000, body[:10_000]))
        connection.sendall(b"0\r\n\r\n")
        assert answer_on(connection).document["length"] == len(body)


@by_all
async def test_a_body_that_does_not_come_holds_up_no_refusal(gateway: Gateway, service: Service) -> None:
    for announced in ({"Content-Length": "100000"}, {"Transfer-Encoding": "chunked"}):
        for expecting in ({}, {"Expect": "100-continue"}):
            with connected(gateway.port) as connection:
                begun = time.monotonic()
                connection.sendall(head("POST", "/orders", {**announced, **expecting}))
                assert answer_on(connection).status == 401
                assert time.monotonic() - begun < 5
    login = await service.log_in()
    with connected(gateway.port) as connection:
        connection.sendall(head("POST", "/orders", {**login.headers, "Content-Length": "4"}))
        await asyncio.sleep(0.5)
        connection.sendall(b"late")
        assert answer_on(connection).document["length"] == 4


@by_all
async def test_a_websocket_opens_with_a_token_only(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    assert gateway.refused("GET", "/orders/live", WEBSOCKET).status == 401
    with connected(gateway.port) as connection:
        connection.sendall(head("GET", "/orders/live", {**login.headers, **WEBSOCKET, "X-User-Id": "4711"}))
        answer = answer_on(connection)
        assert (answer.status, answer.headers["X-Told-User-Id"]) == (101, str(login.user_id))
        for message in (b"first", b"second"):
            connection.sendall(message)
            assert connection.recv(64) == message


@by_all
async def test_a_connection_becomes_nothing_but_a_websocket(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    http2 = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    before = gateway.orders.requests
    answer = gateway.call("GET", "/orders", {**login.headers, **http2})
    if gateway.orders.requests > before:
        assert "upgrade" not in {name.lower() for name, _ in answer.document["headers"]}
    else:
        assert answer.status >= 400


@by_all
async def test_a_preflight_needs_no_token(gateway: Gateway) -> None:
    for path in ("/orders", "/write/1"):
        seen = gateway.passed("OPTIONS", path, PREFLIGHT)
        assert (seen["method"], seen["target"], told(seen)) == ("OPTIONS", path, {})
    assert gateway.refused("GET", "/orders", PREFLIGHT).status == 401


@by_all
async def test_the_service_is_reached_by_its_own_paths(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    assert gateway.refused("GET", "/api/auth/me", login.headers).document["data"]["id"] == login.user_id
    keys = gateway.refused("GET", "/.well-known/jwks.json").document["keys"]
    assert {key["kid"] for key in keys} == await service.key_ids()


@by_all
async def test_the_service_learns_the_address_of_the_client(gateway: Gateway) -> None:
    body = json.dumps({"email": READER, "password": PASSWORD}).encode()
    spoofed = {"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7", "X-Real-IP": "198.51.100.7"}
    answer = gateway.refused("POST", "/api/auth/login", {**spoofed, "Content-Type": "application/json"}, body)
    token = bearer(answer.document["data"]["access_token"])
    sessions = gateway.refused("GET", "/api/auth/sessions", token).document["data"]
    [address] = [session["ip"] for session in sessions if session["current"]]
    assert address != "198.51.100.7"


@by_all
async def test_a_rotation_of_keys_refuses_no_live_token(gateway: Gateway, service: Service) -> None:
    older = await service.log_in()
    statuses: list[int] = []
    rotated = asyncio.Event()

    async def visit(login: Login) -> None:
        statuses.append((await asyncio.to_thread(gateway.call, "GET", "/orders", login.headers)).status)

    async def keep_visiting() -> None:
        while not rotated.is_set():
            await visit(older)

    visits = asyncio.create_task(keep_visiting())
    before = await service.key_ids()
    await service.rotate_keys()
    while await service.key_ids() == before:  # noqa: ASYNC110 -- the event is in another process
        await asyncio.sleep(0.1)
    newer = await service.log_in()
    await visit(newer)
    await visit(older)
    rotated.set()
    await visits
    assert len(statuses) > 10
    assert set(statuses) == {200}


@by_asking
async def test_a_restart_of_the_service_is_over_at_once(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    gateway.passed("GET", "/orders", login.headers)
    await service.stop()
    await service.start()
    for _ in range(5):
        gateway.passed("GET", "/orders", login.headers)


@by_asking
async def test_nothing_passes_while_the_service_is_away(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    await service.stop()
    try:
        for headers in ({}, login.headers):
            begun = time.monotonic()
            assert gateway.refused("GET", "/orders", headers).status == AWAY[gateway.name]
            assert time.monotonic() - begun < 5
    finally:
        await service.start()
    gateway.passed("GET", "/orders", login.headers)


@by_asking
async def test_nothing_passes_while_its_database_is_away(gateway: Gateway, service: Service) -> None:
    login = await service.log_in()
    async with unreachable(service.database_url):
        answer = gateway.refused("GET", "/orders", login.headers)
    assert answer.status == 503
    gateway.passed("GET", "/orders", login.headers)


@by_offline
async def test_without_the_service_tokens_pass_and_a_logout_is_not_seen(gateway: Gateway, service: Service) -> None:
    """That is what these configurations are, and why they are not the first choice."""
    login = await service.log_in()
    assert gateway.refused("DELETE", "/api/auth/logout", login.headers).status == 200
    await service.stop()
    try:
        gateway.passed("GET", "/orders", login.headers)
        assert gateway.refused("GET", "/orders").status == 401
    finally:
        await service.start()
