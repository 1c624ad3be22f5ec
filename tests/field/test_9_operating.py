"""Kind 9: operating it. The limit of sessions is in tests/service; keep-alive in tests/server/test_tuning.py, too."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from support.database import disable_behind_the_back, let_time_pass
from support.http import assert_refused
from support.services import Instance, serving
from support.tokens import EXPIRED, bearer, claims_of, encode_segment, forge, header_of
from support.users import Login, add_and_log_in, token_pair
from wutang_auth.errors import Unauthenticated

Ask = Callable[[Instance, Login], Awaitable[httpx.Response]]


def refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Level and reason of every line `access_refused`."""
    records = [record for record in caplog.records if record.name == "wutang_auth.audit"]
    lines = [(record.levelno, record.__dict__["fields"]) for record in records]
    assert all(fields["ip"] and fields["request_id"] for _, fields in lines)
    return [(level, fields["reason"]) for level, fields in lines if fields["event"] == "access_refused"]


def tampered(service: Instance, login: Login, reason: str) -> dict[str, str]:
    """The header with an access token that is refused for this reason."""
    token, maker = login.access_token, forge(service.settings)
    head, body, signature = token.split(".")
    tokens = {
        "malformed": f"{head}.{body}",
        "unknown key": f"{encode_segment({**header_of(token), 'kid': 'another'})}.{body}.{signature}",
        "wrong algorithm": f"{encode_segment({**header_of(token), 'alg': 'HS256'})}.{body}.{signature}",
        "signature": f"{head}.{encode_segment({**claims_of(token), 'sub': '1000'})}.{signature}",
        "wrong issuer": maker.changed(token, iss="another"),
        "wrong audience": maker.changed(token, aud="another"),
        "not yet valid": maker.changed(token, nbf=2**40),
        "expired": maker.changed(token, exp=EXPIRED),
        "wrong kind": maker.changed(token, header={"typ": "JWT"}),
    }
    return bearer(tokens[reason])


@pytest.mark.parametrize(
    "reason",
    [
        "malformed", "unknown key", "wrong algorithm", "signature", "wrong issuer", "wrong audience", "not yet valid",
        "expired", "wrong kind",
    ],
)  # fmt: skip
async def test_9_log_says_why_a_token_is_refused(
    service: Instance, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    login = await add_and_log_in(service)
    caplog.set_level(logging.DEBUG, logger="wutang_auth.audit")
    headers = tampered(service, login, reason)
    response = await service.client.get("/api/auth/me", headers=headers)
    assert_refused(response, 401, 40005 if reason == "expired" else 40001)
    assert refusals(caplog) == [(logging.DEBUG, reason)]
    if reason != "expired":  # which is no secret: it has a code of its own
        assert reason not in response.text + str(response.headers)
    caplog.clear()
    # these two take expired tokens
    if reason != "expired":
        assert_refused(await service.client.put("/api/auth/refresh", headers=headers), 401, 40001)
        assert_refused(await service.client.delete("/api/auth/logout", headers=headers), 401, 40001)
        assert refusals(caplog) == [(logging.INFO, reason)] * 2
    for record in caplog.records:
        assert login.access_token not in str(record.__dict__)


async def test_9_log_says_why_a_genuine_token_is_refused(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    client = service.client
    first = await add_and_log_in(service)
    caplog.set_level(logging.DEBUG, logger="wutang_auth.audit")

    async def told(method: str, path: str, headers: dict[str, str] | list[tuple[str, str]]) -> list[tuple[int, str]]:
        caplog.clear()
        response = await client.request(method, f"/api/auth/{path}", headers=headers)
        assert response.status_code == 401
        assert response.json()["message"] == "Unauthenticated."
        return refusals(caplog)

    assert await told("GET", "me", {}) == [(logging.DEBUG, "no token")]
    assert await told("PUT", "refresh", {}) == [(logging.INFO, "no token")]
    assert await told("GET", "sessions", {"Authorization": "Basic eA=="}) == [(logging.DEBUG, "no token")]
    assert await told("GET", "me", [("Authorization", "Bearer a")] * 2) == [(logging.DEBUG, "malformed")]
    assert await told("GET", "me", bearer(first.refresh_token)) == [(logging.DEBUG, "wrong kind")]

    second = token_pair(await client.put("/api/auth/refresh", headers=bearer(first.refresh_token)))
    assert (await client.get("/api/auth/me", headers=second.headers)).status_code == 200
    await let_time_pass(service.settings, 60)
    assert await told("GET", "me", first.headers) == [(logging.DEBUG, "replaced")]
    assert await told("PUT", "refresh", bearer(first.refresh_token)) == [(logging.INFO, "replaced")]
    assert "theft" in [record.getMessage() for record in caplog.records]
    assert await told("GET", "me", second.headers) == [(logging.DEBUG, "session ended")]
    assert await told("DELETE", "logout", second.headers) == [(logging.INFO, "session ended")]

    third = await add_and_log_in(service, "grace@wutang.example")
    await disable_behind_the_back(service.settings)
    assert await told("GET", "me", third.headers) == [(logging.DEBUG, "user disabled")]


async def test_9_debug_is_off_by_default_and_a_success_says_nothing(
    service: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    login = await add_and_log_in(service)
    with caplog.at_level(logging.INFO, logger="wutang_auth.audit"):
        caplog.clear()
        await service.client.get("/api/auth/me")
        await service.client.get("/api/auth/me", headers=login.headers)
        await service.client.get("/api/nothing")
        await service.client.get("/api/users", headers=login.headers)
    assert refusals(caplog) == []


async def test_9_whoever_serves_it_there_is_one_line(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    service.app.dependency_overrides[object] = object
    caplog.set_level(logging.DEBUG, logger="wutang_auth.audit")
    await service.client.get("/api/auth/me")
    await service.client.put("/api/auth/refresh")
    await service.client.delete("/api/auth/sessions/8d9a1c9e-2f0e-4a6b-9c4d-5b8f0d3e7a61", headers=bearer("x"))
    assert refusals(caplog) == [(logging.DEBUG, "no token"), (logging.INFO, "no token"), (logging.DEBUG, "malformed")]


def test_9_every_kind_of_refusal_has_a_reason() -> None:
    pending: list[type[Unauthenticated]] = [Unauthenticated]
    while pending:
        error = pending.pop()
        assert error().reason
        pending += error.__subclasses__()


async def test_9_keep_alive_may_outlast_a_balancers(environment: dict[str, str], tmp_path: Path) -> None:

    async with serving(environment | {"WUTANG_KEEP_ALIVE": "620"}, tmp_path / "log") as server:
        url = httpx.URL(server.base_url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 200")
            await reader.readexactly(15)
            await asyncio.sleep(1.2)
        writer.close()
