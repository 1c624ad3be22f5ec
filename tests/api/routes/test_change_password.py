"""Changing passwords over HTTP: one's own, and the rules wherever one is set."""

import asyncio
import unicodedata

import httpx
import pytest
from passlib.hash import bcrypt

from support.database import change_users, delete_users, forget_attempts, store_hash, stored_hash
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer
from support.users import NEW_PASSWORD, PASSWORD, Login, add_and_log_in, add_user, log_in


async def change(
    instance: Instance, login: Login, new: str = NEW_PASSWORD, *, current: str = PASSWORD, language: str = "en"
) -> httpx.Response:
    return await instance.client.put(
        "/api/auth/password",
        json={"current_password": current, "new_password": new},
        headers=login.headers | {"Accept-Language": language},
    )


async def post_login(instance: Instance, password: str) -> httpx.Response:
    return await instance.client.post("/api/auth/login", json={"email": "ada@wutang.example", "password": password})


async def test_changed_password_logs_in_and_the_old_one_does_not(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await change(service, login)
    assert success(response) is None
    assert response.headers["cache-control"] == "no-store"
    assert_refused(await post_login(service, PASSWORD), 401, 10003)
    success(await post_login(service, NEW_PASSWORD))
    assert (await stored_hash(service.settings)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_other_sessions_end_at_once_and_this_one_stays(start: Start) -> None:
    one, other = await start(), await start()
    here = await add_and_log_in(one)
    others = [await log_in(instance.client) for instance in (one, other)]
    success(await change(one, here))
    for instance in (one, other):
        success(await instance.client.get("/api/auth/me", headers=here.headers))
        for login in others:
            assert_refused(await instance.client.get("/api/auth/me", headers=login.headers), 401, 40001)
            refreshed = await instance.client.put("/api/auth/refresh", headers=bearer(login.refresh_token))
            assert_refused(refreshed, 401, 40001)
    success(await other.client.put("/api/auth/refresh", headers=bearer(here.refresh_token)))


async def test_wrong_current_password_changes_nothing(service: Instance) -> None:
    login = await add_and_log_in(service)
    other = await log_in(service.client)
    body = assert_refused(await change(service, login, current="wrong password", language="zh"), 409, 10003)
    assert body["message"] == "数据有误"
    success(await service.client.get("/api/auth/me", headers=other.headers))
    success(await post_login(service, PASSWORD))


async def test_wrong_current_password_counts_as_an_attempt(start: Start) -> None:
    service = await start(throttle_account_failures=3)
    login = await add_and_log_in(service)
    await forget_attempts(service.settings)
    answers = [await change(service, login, current=f"wrong password {number}") for number in range(8)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:3] == [409] * 3
    refused = next(answer for answer in answers if answer.status_code != 409)
    assert_refused(refused, 429, 40001)
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("short", "at least 8 characters"),
        ("x" * 1025, "at most 1024 characters"),
        ("password1", "among the most used ones"),
        ("ADA@wutang.example", "must not be the e-mail address"),
        ("Ada Lovelace", "must not be the user's name"),
        (PASSWORD, "must differ from the current one"),
    ],
)
async def test_rules_are_told_by_the_field(service: Instance, new: str, said: str) -> None:
    login = await add_and_log_in(service, name="Ada Lovelace")
    body = assert_refused(await change(service, login, new), 422, 10001)
    [error] = body["errors"]
    assert error["field"] == "new_password"
    assert said in error["message"]
    [error] = assert_refused(await change(service, login, new, language="zh"), 422, 10001)["errors"]
    assert not error["message"].isascii()
    success(await post_login(service, PASSWORD))


async def test_rules_hold_for_administrators_too(service: Instance) -> None:
    root = await add_and_log_in(service, "root@wutang.example", scopes=["users:write"])
    for fields, said in (
        ({"password": "password1"}, "among the most used ones"),
        ({"password": "grace.hopper"}, "must not be the e-mail address"),
        ({"password": "Amazing Grace", "name": "amazing grace"}, "must not be the user's name"),
    ):
        new = {"email": "grace.hopper@wutang.example"} | fields
        headers = root.headers | {"Accept-Language": "en"}
        [error] = assert_refused(await service.client.post("/api/users", json=new, headers=headers), 422, 10001)[
            "errors"
        ]
        assert error["field"] == "password"
        assert said in error["message"]
    grace = await add_user(service.settings, "grace.hopper@wutang.example", name="Amazing Grace")
    for change_, refused in (
        ({"password": "amazing grace"}, True),
        ({"password": "grace.hopper"}, True),
        ({"password": "admiral hopper", "name": "Admiral Hopper"}, True),
        ({"password": "hopper.admiral", "email": "hopper.admiral@wutang.example"}, True),
        ({"password": "amazing grace", "name": "Grace"}, False),
    ):
        response = await service.client.patch(f"/api/users/{grace.id}", json=change_, headers=root.headers)
        assert response.status_code == (422 if refused else 200), change_


async def test_least_length_is_a_setting(start: Start) -> None:
    service = await start(password_min_length=20)
    login = await add_and_log_in(service)
    [error] = assert_refused(await change(service, login, "nineteen characters"), 422, 10001)["errors"]
    assert "at least 20 characters" in error["message"]
    success(await change(service, login, "twenty characters it"))


@pytest.fixture(scope="module")
async def ada(shared_service: Instance) -> Login:
    """Somebody who keeps her password at the service that tests of this file share."""
    return await add_and_log_in(shared_service)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"current_password": PASSWORD},
        {"new_password": NEW_PASSWORD},
        {"current_password": None, "new_password": NEW_PASSWORD},
        {"current_password": PASSWORD, "new_password": None},
        {"current_password": 5, "new_password": NEW_PASSWORD},
        {"current_password": "", "new_password": NEW_PASSWORD},
        {"current_password": "x" * 1025, "new_password": NEW_PASSWORD},
        {"current_password": "nul\x00", "new_password": NEW_PASSWORD},
    ],
)
async def test_bad_body_is_422_and_not_repeated(shared_service: Instance, ada: Login, body: dict[str, object]) -> None:
    response = await shared_service.client.put("/api/auth/password", json=body, headers=ada.headers)
    assert_refused(response, 422, 10001)
    assert PASSWORD not in response.text
    assert NEW_PASSWORD not in response.text


async def test_nobody_gets_401(service: Instance) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert_refused(await service.client.put("/api/auth/password", json=body), 401, 40001)


async def test_password_is_hashed_in_nfc(service: Instance) -> None:
    login = await add_and_log_in(service)
    composed = unicodedata.normalize("NFC", "crème brûlée à la carte")
    decomposed = unicodedata.normalize("NFD", composed)
    success(await change(service, login, decomposed))
    for spelling in (composed, decomposed):
        success(await post_login(service, spelling))
    success(await change(service, login, NEW_PASSWORD, current=composed))


async def test_of_two_changes_at_once_one_succeeds(start: Start) -> None:
    instances = [await start(), await start()]
    login = await add_and_log_in(instances[0])
    answers = await asyncio.gather(*(change(instances[number], login, f"{NEW_PASSWORD} {number}") for number in (0, 1)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = next(number for number in (0, 1) if answers[number].status_code == 200)
    success(await post_login(instances[0], f"{NEW_PASSWORD} {winner}"))


async def test_hash_upgraded_by_a_login_meanwhile_does_not_refuse_the_change(service: Instance) -> None:
    old = bcrypt.using(rounds=4, ident="2y").hash(PASSWORD)
    for _ in range(5):
        login = await add_and_log_in(service)
        await store_hash(service.settings, old)
        changed, _ = await asyncio.gather(change(service, login), post_login(service, PASSWORD))
        success(changed)
        success(await post_login(service, NEW_PASSWORD))
        await delete_users(service.settings)


async def test_change_keeps_to_the_user_whose_address_another_took_over(service: Instance) -> None:
    ada = await add_and_log_in(service)
    await change_users(service.settings, email="x@x.example", canonical_email="x@x.example")
    await add_user(service.settings, password_hash=bcrypt.using(rounds=4).hash("mallory's password"))
    assert_refused(await change(service, ada, current="mallory's password"), 409, 10003)
    success(await change(service, ada))
