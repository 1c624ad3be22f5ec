"""The caller's own sessions over HTTP."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx

from support.services import (
    PASSWORD,
    Instance,
    Login,
    add_and_log_in,
    add_user,
    assert_refused,
    bearer,
    decode_segment,
    log_in,
    query,
    success,
    token_pair,
)

Start = Callable[..., Awaitable[Instance]]


def session_id(login: Login) -> str:
    found: str = decode_segment(login.access_token.split(".")[1])["sid"]
    return found


async def end(instance: Instance, caller: Login, session: object) -> httpx.Response:
    return await instance.client.delete(f"/api/auth/sessions/{session}", headers=caller.headers)


async def test_sessions_are_listed_oldest_first(service: Instance) -> None:
    await add_user(service.settings)
    credentials = {"email": "ada@wutang.example", "password": PASSWORD}
    logins = []
    for program in ("Firefox", "shop-app/2 (iOS)", "\x1b]0;own\x07"):
        agent = [(b"User-Agent", program.encode())]
        logins.append(token_pair(await service.client.post("/api/auth/login", json=credentials, headers=agent)))
    await add_and_log_in(service, "bob@wutang.example")
    response = await service.client.get("/api/auth/sessions", headers=logins[1].headers)
    sessions = success(response)
    assert response.headers["cache-control"] == "no-store"
    assert [session["id"] for session in sessions] == [session_id(login) for login in logins]
    assert [session["current"] for session in sessions] == [False, True, False]
    assert [session["user_agent"] for session in sessions] == ["Firefox", "shop-app/2 (iOS)", "\ufffd]0;own\ufffd"]
    assert {session["ip"] for session in sessions} == {"127.0.0.1"}
    for session in sessions:
        assert set(session) == {"id", "created_at", "refreshed_at", "expires_at", "ip", "user_agent", "current"}
        created_at, expires_at = (datetime.fromisoformat(session[name]) for name in ("created_at", "expires_at"))
        assert expires_at - created_at == timedelta(days=14)
        assert session["created_at"].endswith("Z")


async def test_refresh_shows_and_dead_sessions_do_not(service: Instance) -> None:
    login = await add_and_log_in(service)
    dead = await log_in(service.client)
    await query(service.settings, "UPDATE sessions SET expires_at = now() WHERE id = $1", UUID(session_id(dead)))
    refreshed = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    [session] = success(await service.client.get("/api/auth/sessions", headers=refreshed.headers))
    assert session["id"] == session_id(login)
    assert session["refreshed_at"] > session["created_at"]
    assert session["current"] is True


async def test_ended_session_is_out_at_once_on_every_instance(start: Start) -> None:
    one, other = await start(), await start()
    here = await add_and_log_in(one)
    there = await log_in(other.client)
    success(await other.client.get("/api/auth/me", headers=there.headers))
    assert success(await end(one, here, session_id(there))) is None
    for instance in (one, other):
        assert_refused(await instance.client.get("/api/auth/me", headers=there.headers), 401, 40001)
        assert_refused(await instance.client.put("/api/auth/refresh", headers=bearer(there.refresh_token)), 401, 40001)
    success(await one.client.get("/api/auth/me", headers=here.headers))


async def test_ending_the_current_session_is_a_logout(service: Instance) -> None:
    login = await add_and_log_in(service)
    success(await end(service, login, session_id(login).upper()))
    assert_refused(await end(service, login, session_id(login)), 401, 40001)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)


async def test_what_is_no_live_session_of_the_caller_is_404(service: Instance) -> None:
    login = await add_and_log_in(service)
    bob = await add_and_log_in(service, "bob@wutang.example")
    ended = await log_in(service.client)
    success(await end(service, login, session_id(ended)))
    dead = await log_in(service.client)
    await query(service.settings, "UPDATE sessions SET expires_at = now() WHERE id = $1", UUID(session_id(dead)))
    for nobodys in (
        session_id(bob), session_id(ended), session_id(dead), uuid4(), "0", "x", "%00", "%ff", "a" * 300,
        session_id(login).replace("-", ""), f"{{{session_id(login)}}}", f"urn:uuid:{session_id(login)}",
        f"{session_id(login)}%20",
    ):  # fmt: skip
        assert_refused(await end(service, login, nobodys), 404, 40004)
    success(await service.client.get("/api/auth/me", headers=bob.headers))
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_nobody_gets_401(service: Instance) -> None:
    assert_refused(await service.client.get("/api/auth/sessions"), 401, 40001)
    assert_refused(await service.client.delete("/api/auth/sessions/x"), 401, 40001)
    login = await add_and_log_in(service)
    # a refresh token is no access token
    refused = await service.client.get("/api/auth/sessions", headers=bearer(login.refresh_token))
    assert_refused(refused, 401, 40001)
