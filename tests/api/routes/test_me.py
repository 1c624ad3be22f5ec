"""Me: who is let in, and what is told."""

import re
from datetime import datetime

from support.database import change_users, delete_users, disable_behind_the_back, expire_sessions
from support.http import assert_refused, success
from support.services import Instance
from support.tokens import EXPIRED, bearer, claims_of, forge
from support.users import add_and_log_in, add_user, log_in


async def test_me_tells_the_user(service: Instance) -> None:
    login = await add_and_log_in(service, "Ada.Lovelace@WuTang.example", name="Ada 王", scopes=["users:read"])
    response = await service.client.get("/api/auth/me", headers=login.headers)
    me = success(response)
    timestamps = [me.pop("created_at"), me.pop("updated_at")]
    assert me == {
        "id": login.user_id,
        "name": "Ada 王",
        "email": "Ada.Lovelace@WuTang.example",
        "email_verified_at": None,
        "scopes": ["users:read"],
        "disabled": False,
    }
    for timestamp in timestamps:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", timestamp)
        assert datetime.fromisoformat(timestamp).tzinfo is not None
    assert response.headers["cache-control"] == "no-store"


async def test_me_shows_a_verified_email_in_utc(service: Instance) -> None:
    login = await add_and_log_in(service)
    await change_users(service.settings, email_verified_at=datetime.fromisoformat("2020-05-06T07:08:09+08:00"))
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert me["email_verified_at"] == "2020-05-05T23:08:09.000000Z"


async def test_me_shows_changes_at_once(service: Instance) -> None:
    login = await add_and_log_in(service, scopes=["users:read"])
    await change_users(service.settings, name="Countess", scopes=[])
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert (me["name"], me["scopes"]) == ("Countess", [])


async def test_head_answers_as_get_without_content(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await service.client.head("/api/auth/me", headers=login.headers)
    assert (response.status_code, response.content) == (200, b"")


async def test_no_token_is_refused_without_an_error_code(service: Instance) -> None:
    response = await service.client.get("/api/auth/me")
    assert assert_refused(response, 401, 40001) == {"code": 40001, "message": "Unauthenticated.", "data": None}
    assert response.headers["www-authenticate"] == 'Bearer realm="wutang-auth"'
    assert response.headers["cache-control"] == "no-store"


async def test_bad_token_is_refused_with_an_error_code(service: Instance) -> None:
    response = await service.client.get("/api/auth/me", headers=bearer("nonsense"))
    assert assert_refused(response, 401, 40001) == {"code": 40001, "message": "Unauthenticated.", "data": None}
    assert response.headers["www-authenticate"] == 'Bearer realm="wutang-auth", error="invalid_token"'


async def test_unauthenticated_is_said_in_every_language(service: Instance) -> None:
    for spoken in ("zh-CN", "en", "fr"):
        response = await service.client.get("/api/auth/me", headers={"Accept-Language": spoken})
        assert assert_refused(response, 401, 40001)["message"] == "Unauthenticated."


async def test_refresh_token_is_no_access_token(service: Instance) -> None:
    login = await add_and_log_in(service)
    assert_refused(await service.client.get("/api/auth/me", headers=bearer(login.refresh_token)), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_expired_access_token_is_told_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    expired = forge(service.settings).changed(login.access_token, exp=EXPIRED)
    response = await service.client.get("/api/auth/me", headers=bearer(expired))
    assert assert_refused(response, 401, 40005)["message"] == "Unauthenticated."
    assert response.headers["www-authenticate"] == (
        'Bearer realm="wutang-auth", error="invalid_token", error_description="The token has expired"'
    )
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_session_past_its_lifetime_is_told_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    await expire_sessions(service.settings)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40005)


async def test_disabled_user_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    await disable_behind_the_back(service.settings)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)


async def test_deleted_user_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    await delete_users(service.settings)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)


async def test_generation_of_the_future_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    ahead = forge(service.settings).changed(login.access_token, gen=1)
    assert_refused(await service.client.get("/api/auth/me", headers=bearer(ahead)), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_session_of_another_user_is_refused(service: Instance) -> None:
    ada = await add_and_log_in(service)
    bob = await add_user(service.settings, "bob@wutang.example")
    stolen = forge(service.settings).changed(ada.access_token, sub=str(bob.id))
    assert_refused(await service.client.get("/api/auth/me", headers=bearer(stolen)), 401, 40001)


async def test_user_ids_up_to_the_largest_are_served(service: Instance) -> None:
    await add_user(service.settings)
    await change_users(service.settings, id=2**63 - 1)
    login = await log_in(service.client)
    assert claims_of(login.access_token)["sub"] == "9223372036854775807"
    me = await service.client.get("/api/auth/me", headers=login.headers)
    assert success(me)["id"] == 9223372036854775807
