"""Verify with a staleness above 0: answered from memory as long as that is young enough, and never longer."""

import asyncio

import httpx

from support.database import unreachable
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import EXPIRED, bearer, forge
from support.users import Login, add_and_log_in, administrator, token_pair, update

PATH = "/api/auth/verify"
SCOPES = ["orders:read", "orders:write"]


async def verify(instance: Instance, login: Login, query: str = "") -> httpx.Response:
    return await instance.client.get(PATH + query, headers=login.headers)


async def remember(instance: Instance, login: Login) -> None:
    """Ask until the answer comes from memory."""
    assert (await verify(instance, login)).status_code == 200
    await asyncio.sleep(0.2)


async def test_it_is_answered_while_the_database_is_away_but_only_for_so_long(start: Start) -> None:
    service = await start(verify_staleness=2.0, db_connect_timeout=0.5)
    login = await add_and_log_in(service, scopes=SCOPES)
    await remember(service, login)
    async with unreachable(service.settings):
        answered = await verify(service, login, "?required_scope=orders:read")
        assert answered.status_code == 200
        assert answered.headers["x-user-id"] == str(login.user_id)
        assert answered.headers["x-session-id"] == str(login.session_id)
        assert answered.headers["x-scopes"] == "orders:read orders:write"
        assert_refused(await verify(service, login, "?required_scope=orders:delete"), 403, 40003)
        await asyncio.sleep(2.1)
        assert_refused(await verify(service, login), 503, 50001)
    assert (await verify(service, login)).status_code == 200


async def test_a_logout_elsewhere_is_seen_within_the_staleness(start: Start) -> None:
    service, elsewhere = await start(verify_staleness=0.5), await start()
    login = await add_and_log_in(service)
    await remember(service, login)
    success(await elsewhere.client.delete("/api/auth/logout", headers=login.headers))
    await asyncio.sleep(0.5)
    for _ in range(10):
        response = await verify(service, login)
        assert assert_refused(response, 401, 40001)["message"] == "Unauthenticated."
        await asyncio.sleep(0.1)


async def test_who_has_lost_a_scope_is_looked_up(start: Start) -> None:
    service = await start(verify_staleness=0.5)
    login = await add_and_log_in(service, scopes=SCOPES)
    root = await administrator(service, ["users:write", *SCOPES])
    await remember(service, login)
    success(await update(service, root, login.user_id, scopes=["orders:read"]))
    await asyncio.sleep(0.5)
    for _ in range(5):
        assert (await verify(service, login)).headers["x-scopes"] == "orders:read"
        assert_refused(await verify(service, login, "?required_scope=orders:write"), 403, 40003)
        await asyncio.sleep(0.1)
    assert (await verify(service, root)).headers["x-scopes"] == "users:write orders:read orders:write"


async def test_other_tokens_than_access_tokens_are_refused_from_memory_too(start: Start) -> None:
    service = await start(verify_staleness=10.0)
    login = await add_and_log_in(service)
    await remember(service, login)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    async with unreachable(service.settings):
        for token, code in ((login.refresh_token, 40001), ("nonsense", 40001), (expired, 40005)):
            assert_refused(await service.client.get(PATH, headers=bearer(token)), 401, code)


async def test_to_be_verified_from_memory_is_no_use_of_a_token(start: Start) -> None:
    service = await start(verify_staleness=10.0, refresh_grace=0)
    login = await add_and_log_in(service)
    await remember(service, login)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    assert (await verify(service, newest)).status_code == 200
    # the answer to the refresh may have been lost: its token is still good
    again = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    assert again.session_id == login.session_id
