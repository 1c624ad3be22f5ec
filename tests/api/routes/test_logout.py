"""Logout: it ends the session, at once and for good."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from support.database import expire_sessions, let_time_pass
from support.http import assert_refused, success
from support.services import Instance
from support.tokens import EXPIRED, bearer, forge
from support.users import Login, add_and_log_in, add_user, log_in, token_pair


async def delete_logout(instance: Instance, token: str, **parameters: str) -> httpx.Response:
    return await instance.client.delete("/api/auth/logout", headers=bearer(token), params=parameters)


async def assert_logged_out(instance: Instance, login: Login) -> None:
    assert_refused(await instance.client.get("/api/auth/me", headers=login.headers), 401, 40001)
    for token in (login.access_token, login.refresh_token):
        assert_refused(await instance.client.put("/api/auth/refresh", headers=bearer(token)), 401, 40001)


async def test_me_is_refused_after_logout(service: Instance) -> None:
    login = await add_and_log_in(service)
    success(await service.client.get("/api/auth/me", headers=login.headers))
    assert success(await service.client.delete("/api/auth/logout", headers=login.headers)) is None
    body = assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)
    assert body == {"code": 40001, "message": "Unauthenticated.", "data": None}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_either_token_logs_out_both(service: Instance, kind: str) -> None:
    login = await add_and_log_in(service)
    success(await delete_logout(service, getattr(login, kind)))
    await assert_logged_out(service, login)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_expired_token_of_a_live_session_logs_out(service: Instance, kind: str) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(getattr(login, kind), exp=EXPIRED)
    success(await delete_logout(service, expired))
    await assert_logged_out(service, login)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_token_of_an_older_generation_logs_out(service: Instance, kind: str) -> None:
    login = await add_and_log_in(service)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    await let_time_pass(service.settings, 3600)
    success(await delete_logout(service, getattr(login, kind)))
    await assert_logged_out(service, newest)


async def test_there_is_no_grace_after_logout(service: Instance) -> None:
    login = await add_and_log_in(service)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    success(await delete_logout(service, newest.access_token))
    await assert_logged_out(service, login)
    await assert_logged_out(service, newest)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_second_logout_is_refused(service: Instance, kind: str) -> None:
    login = await add_and_log_in(service)
    success(await delete_logout(service, login.access_token))
    response = await delete_logout(service, getattr(login, kind))
    assert assert_refused(response, 401, 40001)["message"] == "Unauthenticated."
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_parallel_logouts_succeed_once(service: Instance) -> None:
    login = await add_and_log_in(service)
    answers = await asyncio.gather(*(delete_logout(service, login.access_token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


async def test_logout_ends_one_session_only(service: Instance) -> None:
    login = await add_and_log_in(service)
    other = await log_in(service.client)
    stranger = await add_and_log_in(service, "bob@wutang.example")
    success(await delete_logout(service, login.access_token))
    for living in (other, stranger):
        success(await service.client.get("/api/auth/me", headers=living.headers))


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_logout_everywhere_ends_all_sessions_of_the_user_and_no_others(service: Instance, kind: str) -> None:
    logins = [await add_and_log_in(service)] + [await log_in(service.client) for _ in range(2)]
    stranger = await add_and_log_in(service, "bob@wutang.example")
    success(await delete_logout(service, getattr(logins[0], kind), everywhere="true"))
    for login in logins:
        await assert_logged_out(service, login)
    success(await service.client.get("/api/auth/me", headers=stranger.headers))


async def test_logout_everywhere_of_an_ended_session_ends_nothing(service: Instance) -> None:
    login = await add_and_log_in(service)
    other = await log_in(service.client)
    success(await delete_logout(service, login.access_token))
    assert_refused(await delete_logout(service, login.access_token, everywhere="true"), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=other.headers))


@pytest.mark.parametrize("value", ["false", "0", "no", "off"])
async def test_everywhere_may_be_denied(service: Instance, value: str) -> None:
    login = await add_and_log_in(service)
    other = await log_in(service.client)
    success(await delete_logout(service, login.access_token, everywhere=value))
    success(await service.client.get("/api/auth/me", headers=other.headers))


@pytest.fixture(scope="module")
async def ada(shared_service: Instance) -> Login:
    """Somebody who stays logged in at the service that tests of this file share."""
    return await add_and_log_in(shared_service)


@pytest.mark.parametrize("value", ["banana", "2", "tru", "真", "\x00", "true "])
async def test_everywhere_that_is_no_boolean_is_refused_and_ends_nothing(
    shared_service: Instance, ada: Login, value: str
) -> None:
    body = assert_refused(await delete_logout(shared_service, ada.access_token, everywhere=value), 422, 10001)
    assert body["errors"] == [{"field": "everywhere", "message": "必须是 true 或 false"}]
    success(await shared_service.client.get("/api/auth/me", headers=ada.headers))


async def test_session_past_its_lifetime_is_told_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    await expire_sessions(service.settings)
    assert_refused(await delete_logout(service, login.access_token), 401, 40005)


async def test_token_of_an_unknown_session_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    forged = forge(service.settings).changed(login.access_token, sid=str(uuid4()))
    assert_refused(await delete_logout(service, forged), 401, 40001)
    assert_refused(await delete_logout(service, forged, everywhere="true"), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_session_of_another_user_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    bob = await add_user(service.settings, "bob@wutang.example")
    forged = forge(service.settings).changed(login.access_token, sub=str(bob.id))
    assert_refused(await delete_logout(service, forged), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_no_token_is_refused(service: Instance) -> None:
    response = await service.client.delete("/api/auth/logout")
    assert_refused(response, 401, 40001)
    assert "error" not in response.headers["www-authenticate"]
