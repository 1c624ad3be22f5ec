"""The list of the caller's own sessions."""

from datetime import datetime, timedelta

from support.database import expire_sessions
from support.http import assert_refused, success
from support.services import Instance
from support.tokens import bearer
from support.users import PASSWORD, add_and_log_in, add_user, log_in, token_pair


async def test_sessions_are_listed_newest_first(service: Instance) -> None:
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
    assert [session["id"] for session in sessions] == [str(login.session_id) for login in logins[::-1]]
    assert [session["current"] for session in sessions] == [False, True, False]
    assert [session["user_agent"] for session in sessions] == ["\ufffd]0;own\ufffd", "shop-app/2 (iOS)", "Firefox"]
    assert {session["ip"] for session in sessions} == {"127.0.0.1"}
    for session in sessions:
        assert set(session) == {"id", "created_at", "refreshed_at", "expires_at", "ip", "user_agent", "current"}
        created_at, expires_at = (datetime.fromisoformat(session[name]) for name in ("created_at", "expires_at"))
        assert expires_at - created_at == timedelta(days=14)
        assert session["created_at"].endswith("Z")


async def test_refresh_shows_and_dead_sessions_do_not(service: Instance) -> None:
    login = await add_and_log_in(service)
    dead = await log_in(service.client)
    await expire_sessions(service.settings, dead.session_id)
    refreshed = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    [session] = success(await service.client.get("/api/auth/sessions", headers=refreshed.headers))
    assert session["id"] == str(login.session_id)
    assert session["refreshed_at"] > session["created_at"]
    assert session["current"] is True


async def test_nobody_gets_401(service: Instance) -> None:
    assert_refused(await service.client.get("/api/auth/sessions"), 401, 40001)
    login = await add_and_log_in(service)
    # a refresh token is no access token
    refused = await service.client.get("/api/auth/sessions", headers=bearer(login.refresh_token))
    assert_refused(refused, 401, 40001)
