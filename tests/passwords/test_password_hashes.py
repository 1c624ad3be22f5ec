"""Hashes of earlier systems: they verify, and a login replaces them by ours."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from passlib.hash import argon2, bcrypt

from support.database import (
    count_sessions,
    forget_attempts,
    store_hash,
    stored_hash,
    transaction,
    wait_for_lock_waiters,
)
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import add_user, log_in, me, token_pair
from wutang_auth.passwords.hashing import is_usable

OURS = "$argon2id$v=19$m=19456,t=2,p=1$"
EMAIL = "ada@wutang.example"


def argon2_hash(password: str, **options: Any) -> str:
    hashed: str = argon2.using(**{"type": "ID", "memory_cost": 64, "time_cost": 1, "parallelism": 1} | options).hash(
        password
    )
    return hashed


def bcrypt_hash(password: str, ident: str, rounds: int = 4) -> str:
    hashed: str = bcrypt.using(rounds=rounds, ident=ident).hash(password.encode()[:72])
    return hashed


async def post_login(instance: Instance, password: str) -> httpx.Response:
    return await instance.client.post("/api/auth/login", json={"email": EMAIL, "password": password})


FORMS = {
    "$2y$": bcrypt_hash("hunter2!", "2y"),
    "$2y$10$ that PHP wrote": "$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK/UzircsD1m",
    "$2b$": bcrypt_hash("hunter2!", "2b"),
    "$2a$": bcrypt_hash("hunter2!", "2a"),
    "argon2i": argon2_hash("hunter2!", type="I"),
    "weaker argon2id": argon2_hash("hunter2!", memory_cost=8),
    "argon2i that PHP wrote": "$argon2i$v=19$m=65536,t=4,p=1"
    "$cGJySE5icFQvUUdlREkzRw$xf1dZur/7Zi+sasmqBHRehZ/6Cy92Fs07Z55kQ1KHWQ",
    "argon2id that PHP wrote": "$argon2id$v=19$m=65536,t=4,p=1"
    "$Y2g4OVh5RzdSNTU3bE5oYg$O/n8VVIxIUnUr8wgWljjUc8bgy9cMz8x4aRKRPAV7rY",
    "four lanes": argon2_hash("hunter2!", memory_cost=19456, time_cost=2, parallelism=4),
}


@pytest.mark.parametrize("form", FORMS)
async def test_login_verifies_and_upgrades(service: Instance, form: str) -> None:
    old = FORMS[form]
    await add_user(service.settings, password_hash=old)
    assert_refused(await post_login(service, "hunter2"), 401, 10003)
    assert await stored_hash(service.settings) == old
    await log_in(service.client, password="hunter2!")
    upgraded = await stored_hash(service.settings)
    assert upgraded.startswith(OURS)
    await log_in(service.client, password="hunter2!")
    assert_refused(await post_login(service, "hunter2"), 401, 10003)
    assert await stored_hash(service.settings) == upgraded


async def test_upgrade_is_no_change_of_the_user(service: Instance) -> None:
    user = await add_user(service.settings, password_hash=FORMS["$2b$"])
    login = await log_in(service.client, password="hunter2!")
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert me["updated_at"] == user.updated_at.isoformat().replace("+00:00", "Z")


async def test_disabled_user_s_hash_is_left_alone(service: Instance) -> None:
    await add_user(service.settings, password_hash=FORMS["$2b$"], disabled=True)
    assert_refused(await post_login(service, "hunter2!"), 401, 10003)
    assert await stored_hash(service.settings) == FORMS["$2b$"]


@pytest.mark.parametrize("length", [71, 72, 73, 200])
async def test_bcrypt_looks_at_72_bytes(service: Instance, length: int) -> None:
    password = ("密" * 100)[: length // 3] + "x" * (length % 3)
    await add_user(service.settings, password_hash=bcrypt_hash(password, "2y"))
    await log_in(service.client, password=password)
    # from now on all of it counts
    if length > 72:
        assert_refused(await post_login(service, password + "x"), 401, 10003)
    await log_in(service.client, password=password)


async def test_many_logins_at_once_upgrade_once_and_all_succeed(start: Start) -> None:
    instances = [await start(), await start()]
    await add_user(instances[0].settings, password_hash=FORMS["$2y$"])
    answers = await asyncio.gather(*(post_login(instances[n % 2], "hunter2!") for n in range(8)))
    for answer in answers:
        success(await me(instances[0], token_pair(answer)))
    assert (await stored_hash(instances[0].settings)).startswith(OURS)
    assert await count_sessions(instances[0].settings) == 8


async def test_password_changed_between_look_and_upgrade_is_not_overwritten(service: Instance) -> None:
    await add_user(service.settings, password_hash=FORMS["$2b$"])
    changed = argon2_hash("quite another password", memory_cost=19456, time_cost=2)
    async with transaction(service.settings) as other:
        await other.execute("UPDATE users SET password_hash = $1", changed)
        login = asyncio.create_task(post_login(service, "hunter2!"))
        await wait_for_lock_waiters(service.settings)  # with the new hash: the old one was looked at
    assert_refused(await login, 401, 10003)
    assert await stored_hash(service.settings) == changed
    assert await count_sessions(service.settings) == 0
    success(await post_login(service, "quite another password"))


@pytest.mark.parametrize("change", ["UPDATE users SET disabled_at = now()", "DELETE FROM users"])
@pytest.mark.parametrize("form", ["$2b$", "ours"])
async def test_user_disabled_or_deleted_between_look_and_login_gets_no_session(
    service: Instance, change: str, form: str
) -> None:
    stored = FORMS[form] if form in FORMS else argon2_hash("hunter2!", memory_cost=19456, time_cost=2)
    await add_user(service.settings, password_hash=stored)
    async with transaction(service.settings) as other:
        await other.execute(change)
        login = asyncio.create_task(post_login(service, "hunter2!"))
        await wait_for_lock_waiters(service.settings)
    assert_refused(await login, 401, 10003)
    assert await count_sessions(service.settings) == 0


async def test_hash_upgraded_between_look_and_login_lets_in(start: Start) -> None:
    one, other = await start(), await start()
    await add_user(one.settings, password_hash=FORMS["$2b$"])
    async with transaction(one.settings) as holder:
        await holder.execute("SELECT FROM users FOR UPDATE")
        logins = [asyncio.create_task(post_login(instance, "hunter2!")) for instance in (one, other)]
        await wait_for_lock_waiters(one.settings, 2)  # each with a new hash
    for login in logins:
        success(await login)
    assert (await stored_hash(one.settings)).startswith(OURS)


UNUSABLE = [
    "",
    "hunter2!",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
    "$2y$10$tooshort",
    "$2y$10$abcdefghijklmnopqrstuu",
    FORMS["$2b$"] + "x",
    FORMS["$2b$"] + "\n",
    FORMS["$2b$"].replace("$04$", "$03$"),
    FORMS["$2b$"].replace("$04$", "$16$"),
    FORMS["$2b$"].replace("$04$", "$31$"),
    FORMS["$2b$"].replace("$2b$", "$2x$"),
    argon2_hash("hunter2!", type="D"),
    FORMS["weaker argon2id"].replace("m=8,", "m=4194304,"),
    FORMS["weaker argon2id"].replace("t=1,", "t=4000000,"),
    FORMS["weaker argon2id"].replace("p=1", "p=200"),
    FORMS["weaker argon2id"].replace("v=19", "v=99"),
    FORMS["weaker argon2id"].rpartition("$")[0] + "$",
]


async def test_hash_of_unknown_form_or_absurd_cost_is_refused_in_good_time(
    service: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    await add_user(service.settings)
    for unusable in UNUSABLE:
        await forget_attempts(service.settings)
        await store_hash(service.settings, unusable)
        assert not is_usable(unusable)
        async with asyncio.timeout(5):
            assert_refused(await post_login(service, "hunter2!"), 401, 10003)
    assert all(is_usable(form) for form in FORMS.values())
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == len(UNUSABLE) - 1  # an empty one is none
    assert not any("hunter2" in line or "$2" in line or "argon2" in line for line in said)
