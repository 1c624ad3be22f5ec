"""The end of one of the caller's own sessions."""

from uuid import uuid4

import httpx

from support.database import expire_sessions
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer
from support.users import Login, add_and_log_in, log_in


async def end(instance: Instance, caller: Login, session: object) -> httpx.Response:
    return await instance.client.delete(f"/api/auth/sessions/{session}", headers=caller.headers)


async def test_ended_session_is_out_at_once_on_every_instance(start: Start) -> None:
    one, other = await start(), await start()
    here = await add_and_log_in(one)
    there = await log_in(other.client)
    success(await other.client.get("/api/auth/me", headers=there.headers))
    assert success(await end(one, here, there.session_id)) is None
    for instance in (one, other):
        assert_refused(await instance.client.get("/api/auth/me", headers=there.headers), 401, 40001)
        assert_refused(await instance.client.put("/api/auth/refresh", headers=bearer(there.refresh_token)), 401, 40001)
    success(await one.client.get("/api/auth/me", headers=here.headers))


async def test_ending_the_current_session_is_a_logout(service: Instance) -> None:
    login = await add_and_log_in(service)
    success(await end(service, login, str(login.session_id).upper()))
    assert_refused(await end(service, login, login.session_id), 401, 40001)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)


async def test_what_is_no_live_session_of_the_caller_is_404(service: Instance) -> None:
    login = await add_and_log_in(service)
    bob = await add_and_log_in(service, "bob@wutang.example")
    ended = await log_in(service.client)
    success(await end(service, login, ended.session_id))
    dead = await log_in(service.client)
    await expire_sessions(service.settings, dead.session_id)
    for nobodys in (
        bob.session_id, ended.session_id, dead.session_id, uuid4(), "0", "x", "%00", "%ff", "a" * 300,
        str(login.session_id).replace("-", ""), f"{{{login.session_id}}}", f"urn:uuid:{login.session_id}",
        f"{login.session_id}%20",
    ):  # fmt: skip
        assert_refused(await end(service, login, nobodys), 404, 40004)
    success(await service.client.get("/api/auth/me", headers=bob.headers))
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_nobody_gets_401(service: Instance) -> None:
    assert_refused(await service.client.delete("/api/auth/sessions/x"), 401, 40001)
    login = await add_and_log_in(service)
    # a refresh token is no access token
    path = f"/api/auth/sessions/{login.session_id}"
    assert_refused(await service.client.delete(path, headers=bearer(login.refresh_token)), 401, 40001)
