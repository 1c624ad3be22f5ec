"""Whose an address is: claimed and released with the user, whatever else was written to `users`."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from support.commands import run
from support.database import delete_users, query
from support.http import assert_refused, success
from support.services import Instance
from support.users import NEW_PASSWORD, PASSWORD, add_user, administrator, create, log_in, update

ADA = "ada@wutang.example"
HASH = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"


async def claims(service: Instance) -> dict[str, int]:
    rows = await query(service.settings, "SELECT canonical_email, user_id FROM emails")
    return {row["canonical_email"]: row["user_id"] for row in rows}


async def users(service: Instance) -> dict[str, int]:
    return {row["canonical_email"]: row["id"] for row in await query(service.settings, "SELECT * FROM users")}


async def add_as_before(service: Instance, email: str) -> int:
    """A user as the release before `emails` makes one."""
    insert = "INSERT INTO users (email, canonical_email, password_hash) SELECT $1, $1, password_hash FROM users LIMIT 1"
    [[user_id]] = await query(service.settings, f"{insert} RETURNING id", email)
    return int(user_id)


@pytest.fixture(params=["one server", "no unique constraint on users"])
async def either(request: pytest.FixtureRequest, service: Instance) -> Instance:
    """A service on a plain server, and on tables as distributed engines have them."""
    if request.param != "one server":
        await query(service.settings, "ALTER TABLE users DROP CONSTRAINT users_canonical_email_key")
    return service


async def test_address_is_claimed_and_released_with_its_user(either: Instance) -> None:
    root = await administrator(either)
    user = await create(either, root, email="Ada@WuTang.example")
    assert await claims(either) == await users(either)
    assert_refused(
        await either.client.post("/api/users", json={"email": ADA, "password": PASSWORD}, headers=root.headers),
        409, 10003,
    )  # fmt: skip
    assert_refused(await update(either, root, user["id"], email="root@wutang.example"), 409, 10003)
    success(await update(either, root, user["id"], email="ADA@wutang.example", name="Ada"))
    assert await claims(either) == await users(either)
    success(await update(either, root, user["id"], email="grace@wutang.example"))
    assert await claims(either) == await users(either) == {"root@wutang.example": 1, "grace@wutang.example": user["id"]}
    await create(either, root, email=ADA)
    success(await either.client.delete(f"/api/users/{user['id']}", headers=root.headers))
    assert await claims(either) == await users(either)
    assert set(await users(either)) == {"root@wutang.example", ADA}


async def test_of_many_at_once_one_gets_the_address(either: Instance) -> None:
    root = await administrator(either)
    others = [await create(either, root, email=f"user{number}@wutang.example") for number in range(4)]

    async def make() -> int:
        body = {"email": ADA, "password": NEW_PASSWORD}
        return (await either.client.post("/api/users", json=body, headers=root.headers)).status_code

    async def change(user_id: int) -> int:
        return (await update(either, root, user_id, email=ADA)).status_code

    tried: list[Awaitable[int]] = [*(make() for _ in range(2)), *(change(user["id"]) for user in others)]
    statuses = await asyncio.gather(*tried)
    assert sorted(set(statuses)) in ([200, 409], [201, 409])
    assert statuses.count(409) == 5
    assert await claims(either) == await users(either)


async def test_a_refused_change_claims_nothing(either: Instance) -> None:
    root = await administrator(either)
    boss = await add_user(either.settings, "boss@wutang.example", scopes=["everything"])
    before = await claims(either)
    assert_refused(await update(either, root, boss.id, email=ADA), 409, 10003)
    assert_refused(await update(either, root, 4711, email=ADA), 404, 40004)
    assert await claims(either) == before


async def test_user_of_the_release_before_logs_in(service: Instance) -> None:
    root = await administrator(service)
    made = await add_as_before(service, ADA)
    await log_in(service.client, "ADA@wutang.example")
    assert_refused(
        await service.client.post("/api/users", json={"email": ADA, "password": PASSWORD}, headers=root.headers),
        409, 10003,
    )  # fmt: skip
    success(await update(service, root, made, email="ADA@wutang.example"))
    assert await claims(service) == await users(service)


async def test_address_that_the_release_before_moved_is_its_new_users(service: Instance) -> None:
    root = await administrator(service)
    ada = await add_user(service.settings, ADA)
    await query(service.settings, "UPDATE users SET email = 'x@x.y', canonical_email = 'x@x.y' WHERE id = $1", ada.id)
    refused = await service.client.post("/api/auth/login", json={"email": ADA, "password": PASSWORD})
    assert_refused(refused, 401, 10003)
    await log_in(service.client, "x@x.y")
    second = await add_as_before(service, ADA)
    login = await log_in(service.client, ADA)
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert me["id"] == second
    success(await service.client.delete(f"/api/users/{second}", headers=root.headers))
    third = await create(service, root, email=ADA)
    assert (await claims(service))[ADA] == third["id"]


async def test_address_of_a_user_deleted_without_release_is_free(either: Instance) -> None:
    await add_user(either.settings, ADA)
    await add_user(either.settings, "grace@wutang.example")
    await delete_users(either.settings)
    assert set(await claims(either)) == {ADA, "grace@wutang.example"}
    root = await administrator(either)
    user = await create(either, root, email=ADA)
    success(await update(either, root, user["id"], email="grace@wutang.example"))
    left = await claims(either)
    assert left == await users(either)


async def test_import_claims_what_it_creates_and_nothing_else(
    either: Instance, environment: dict[str, str], tmp_path: Path
) -> None:
    await add_user(either.settings, "gone@wutang.example")
    await delete_users(either.settings)
    ada = await add_user(either.settings, ADA)
    before = await add_as_before(either, "before@wutang.example")
    file = tmp_path / "users.csv"
    rows = [
        (ada.id, ADA), ("", "BEFORE@wutang.example"), ("", "gone@wutang.example"), (4711, "new@wutang.example"),
        (ada.id, "id@wutang.example"), (4712, "ada@WUTANG.example"), (4713, "before@wutang.example"),
    ]  # fmt: skip
    file.write_text("id,email,password_hash\n" + "".join(f"{user_id},{email},{HASH}\n" for user_id, email in rows))
    outcome = await run(environment, "users", "import", file)
    assert outcome.said.startswith("created 2 of 7 users; 2 were there, 3 rejected")
    found = await users(either)
    assert set(found) == {ADA, "before@wutang.example", "gone@wutang.example", "new@wutang.example"}
    assert found["before@wutang.example"] == before
    assert await claims(either) == {email: user_id for email, user_id in found.items() if user_id != before}


async def test_imports_and_creations_at_once_end_with_one_user_each(
    service: Instance, environment: dict[str, str], tmp_path: Path
) -> None:
    root = await administrator(service)
    file = tmp_path / "users.csv"
    file.write_text("email,password_hash\n" + "".join(f"user{n}@wutang.example,{HASH}\n" for n in range(2000)))

    async def make(number: int) -> int:
        body = {"email": f"user{number}@wutang.example", "password": NEW_PASSWORD}
        return (await service.client.post("/api/users", json=body, headers=root.headers)).status_code

    outcome, statuses = await asyncio.gather(
        run(environment, "users", "import", file), asyncio.gather(*(make(number) for number in (0, 700, 1999)))
    )
    assert set(statuses) <= {201, 409}
    created = 2000 - statuses.count(201)
    assert outcome.said == f"created {created:,} of 2,000 users; {2000 - created:,} were there, 0 rejected"
    assert await claims(service) == await users(service)
