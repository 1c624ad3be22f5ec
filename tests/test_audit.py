"""The audit trail: one line for each thing that happens to an account, and nothing in it that a client could forge."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.database import expire_sessions, let_time_pass, stored_hash
from support.http import assert_refused, success
from support.services import Instance, Start, serving
from support.tokens import bearer
from support.users import NEW_PASSWORD, PASSWORD, add_and_log_in, add_user, log_in, token_pair
from wutang_auth.audit import record
from wutang_auth.context import RequestContext, request_context
from wutang_auth.observability.logs import ConsoleFormatter, JsonFormatter


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """What the service logs during the block, as it would stand in the log."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    logger = logging.getLogger("wutang_auth")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield output
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def trail(output: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "wutang_auth.audit"]


async def test_every_event_of_a_user_s_life_is_one_line(service: Instance) -> None:
    root = await add_and_log_in(service, "root@wutang.example", scopes=["users:read", "users:write"])
    client = service.client
    credentials = {"email": "grace@wutang.example", "password": NEW_PASSWORD}
    with written(JsonFormatter()) as output:
        created = success(await client.post("/api/users", json=credentials, headers=root.headers), 201)
        user_id = created["id"]
        path = f"/api/users/{user_id}"
        await client.post("/api/auth/login", json=credentials | {"email": "nobody@wutang.example"})
        await client.post("/api/auth/login", json=credentials | {"password": "wrong"})
        grace = token_pair(await client.post("/api/auth/login", json=credentials))
        other = await log_in(client, "grace@wutang.example", NEW_PASSWORD)
        old = grace.refresh_token
        grace = token_pair(await client.put("/api/auth/refresh", headers=bearer(old)))
        token_pair(await client.put("/api/auth/refresh", headers=bearer(old)))
        success(await client.delete(f"/api/auth/sessions/{other.session_id}", headers=grace.headers))
        changes = {"current_password": "wrong", "new_password": "another good password"}
        await client.put("/api/auth/password", json=changes, headers=grace.headers)
        changes["current_password"] = NEW_PASSWORD
        success(await client.put("/api/auth/password", json=changes, headers=grace.headers))
        success(await client.patch(path, json={"name": "G", "email": "g@wutang.example"}, headers=root.headers))
        await let_time_pass(service.settings, 60)
        assert_refused(await client.put("/api/auth/refresh", headers=bearer(old)), 401, 40001)
        last = await log_in(client, "g@wutang.example", "another good password")
        success(await client.delete("/api/auth/logout", headers=last.headers))
        success(await client.patch(path, json={"disabled": True}, headers=root.headers))
        await client.post("/api/auth/login", json={"email": "g@wutang.example", "password": "another good password"})
        success(await client.delete(path, headers=root.headers))
    lines = trail(output)
    told = [
        (line["event"], line.get("user_id"), line.get("session_id"), line.get("reason"), line.get("changed"))
        for line in lines
    ]
    first, second, third = (str(login.session_id) for login in (grace, other, last))
    assert told == [
        ("user_created", user_id, None, None, None),
        ("login_failed", None, None, "unknown e-mail", None),
        ("login_failed", user_id, None, "wrong password", None),
        ("login", user_id, first, None, None),
        ("login", user_id, second, None, None),
        ("refresh", user_id, first, None, None),
        ("refresh_replayed", user_id, first, None, None),
        ("session_ended", user_id, second, None, None),
        ("password_change_failed", user_id, None, "wrong current password", None),
        ("password_changed", user_id, first, None, None),
        ("user_changed", user_id, None, None, "name,email"),
        ("theft", user_id, first, "refresh token reused", None),
        ("access_refused", None, None, "replaced", None),
        ("login", user_id, third, None, None),
        ("logout", user_id, third, None, None),
        ("user_changed", user_id, None, None, "disabled"),
        ("login_failed", user_id, None, "disabled", None),
        ("user_deleted", user_id, None, None, None),
    ]
    for line in lines:
        assert line["ip"] == "127.0.0.1"
        assert len(line["request_id"]) == 16
        assert line["time"].endswith("Z")
        assert line.get("actor_id") == (root.user_id if line["event"].startswith("user_") else None)
    requests = [line["request_id"] for line in lines if line["event"] != "access_refused"]  # which theft is, too
    assert len(set(requests)) == len(requests)


async def test_session_that_a_login_pushes_out_is_told_of_while_it_is_live(start: Start) -> None:
    service = await start(sessions_per_user=2)
    first = await add_and_log_in(service)
    second = await log_in(service.client)
    with written(JsonFormatter()) as output:
        third = await log_in(service.client)
        await expire_sessions(service.settings, second.session_id)
        await log_in(service.client)
    ended = [line for line in trail(output) if line["event"] == "session_ended"]
    assert [(line["user_id"], line["session_id"], line["reason"]) for line in ended] == [
        (first.user_id, str(first.session_id), "too many")
    ]
    success(await service.client.get("/api/auth/me", headers=third.headers))


async def test_no_secret_is_ever_logged(service: Instance) -> None:
    with written(JsonFormatter()) as structured, written(ConsoleFormatter()) as console:
        logging.getLogger("wutang_auth").setLevel(logging.DEBUG)
        root = await add_and_log_in(service, "root@wutang.example", scopes=["users:write"])
        new = {"email": "grace@wutang.example", "password": NEW_PASSWORD}
        success(await service.client.post("/api/users", json=new, headers=root.headers), 201)
        await service.client.post("/api/auth/login", json=new | {"password": "wr0ng-passw0rd"})
        await service.client.get("/api/auth/me", headers=bearer(root.access_token + "x"))
        body = {"current_password": PASSWORD, "new_password": "another good password"}
        success(await service.client.put("/api/auth/password", json=body, headers=root.headers))
        refreshed = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(root.refresh_token)))
        success(await service.client.delete("/api/auth/logout", headers=refreshed.headers))
        stored = await stored_hash(service.settings)
    log = structured.getvalue() + console.getvalue()
    assert "password_changed" in log
    tokens = [root.access_token, root.refresh_token, refreshed.access_token, refreshed.refresh_token]
    secrets = [PASSWORD, NEW_PASSWORD, "another good password", "wr0ng-passw0rd", stored, *tokens]
    for secret in secrets + [part for token in tokens for part in token.split(".")]:
        assert secret not in log
    assert "argon2" not in log
    assert "grace@" not in log


FORGERIES = [
    '\r\n{"event": "login"}',
    "\n12:00:00 info login user_id=1",
    "\x1b[2J\x1b[31m",
    "\x00\x07\x08",
    "\u2028\u2029\x85",
    "\u202euser",
    '" event="login',
    "a b=c",
]


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_clients_forge_no_lines(service: Instance, forgery: str) -> None:
    raw = forgery.encode()
    hostile = [(b"User-Agent", raw), (b"X-Request-ID", raw), (b"X-Forwarded-For", raw), (b"Accept-Language", raw)]
    with written(JsonFormatter()) as structured, written(ConsoleFormatter()) as console:
        await add_user(service.settings)
        credentials = {"email": "ada@wutang.example", "password": PASSWORD}
        login = token_pair(await service.client.post("/api/auth/login", json=credentials, headers=hostile))
        for email in (f"ada@{forgery}wutang.example", f"{forgery}@wutang.example"):
            await service.client.post("/api/auth/login", json=credentials | {"email": email}, headers=hostile)
        await service.client.get("/api/users", params={"email": forgery}, headers=login.headers)
        await service.client.request(
            "DELETE", "/api/auth/logout", params={"everywhere": "1", forgery: forgery}, headers=login.headers
        )
    lines = console.getvalue().splitlines()
    assert sorted({line["event"] for line in trail(structured)} - {"login_failed"}) == ["login", "logout"]
    assert len(lines) == len(structured.getvalue().split("\n")) - 1
    assert sum(" logout " in line for line in lines) == 1
    assert sum(" login " in line for line in lines) == 1
    for output in (structured, console):
        text = output.getvalue()
        assert all(character == "\n" or 32 <= ord(character) < 127 for character in text)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_values_end_where_they_seem_to(forgery: str) -> None:
    """Even if a value of a client's got so far."""
    with written(JsonFormatter()) as structured, written(ConsoleFormatter()) as console:
        token = request_context.set(RequestContext("id", forgery))
        record("login", user_id=1, detail=forgery)
        request_context.reset(token)
    [line] = structured.getvalue().splitlines()
    assert json.loads(line)["reason"] == forgery
    assert json.loads(line)["ip"] == forgery
    [line] = console.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert f"reason={json.dumps(forgery)}" in line


SANE = ["a", "4f9c1c0d7a3e2b58", "01J9Z3.K_x:y-z", "x" * 128]
NOT_SANE = ["", " ", "a b", "x" * 129, "ü", "a\tb", "a,b", '"a"', "<script>", "a\x7f"]


async def test_request_id_is_taken_over_when_sane(service: Instance) -> None:
    await add_user(service.settings)
    for sent in SANE + NOT_SANE:
        with written(JsonFormatter()) as output:
            response = await service.client.post(
                "/api/auth/login",
                json={"email": "ada@wutang.example", "password": PASSWORD},
                headers=[(b"X-Request-ID", sent.encode())],
            )
        success(response)
        [line] = trail(output)
        answered = response.headers["x-request-id"]
        assert line["request_id"] == answered
        assert (answered == sent) == (sent in SANE)
        assert len(answered) == (len(sent) if sent in SANE else 16)


async def test_every_answer_has_a_request_id(service: Instance) -> None:
    seen = set()
    for method, path in (
        ("GET", "/api/nothing"),
        ("GET", "/healthz"),
        ("PATCH", "/api/auth/me"),
        ("GET", "/api/users"),
    ):
        seen.add((await service.client.request(method, path)).headers["x-request-id"])
    assert len(seen) == 4


async def test_with_log_format_json_every_line_is_one_object(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment |= {"WUTANG_LOG_FORMAT": "json", "WUTANG_LOG_LEVEL": "debug"}
    await add_user(environment["WUTANG_DATABASE_URL"])
    async with serving(environment, log) as process, httpx.AsyncClient(base_url=process.base_url) as client:
        await log_in(client)
        await client.get("/api/%0D%0A", headers={"X-Request-ID": "seen-in-the-log"})
        await client.post("/api/auth/login", content=b"\xff", headers={"Content-Type": "application/json"})
        assert await process.terminate() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    [login] = [line for line in lines if line.get("event") == "login"]
    assert login["user_id"] == 1
