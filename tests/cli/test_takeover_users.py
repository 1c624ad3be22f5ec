"""Taking over the users of a running application, again and again until the switch."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.commands import Outcome, run
from support.database import add_sessions, change_users, count_sessions, query, stored_hash
from support.http import success
from support.laravel import OTHER_PHP_HASH, PHP_HASH, Shop
from support.services import Instance
from support.users import add_user, log_in

NOTHING: dict[str, Any] = {
    "rows": 0, "created": 0, "changed": 0, "deleted": 0, "deleted_here": 0, "disabled": 0, "unchanged": 0,
    "rejected": 0, "rejects": None, "conflicts": [],
}  # fmt: skip

at = datetime.fromisoformat


class Takeover:
    """`takeover users` from the shop to this test's database."""

    def __init__(self, environment: dict[str, str], shop: Shop, directory: Path) -> None:
        self.environment = environment
        self.shop = shop
        self.rejects = directory / "rejects.jsonl"

    async def __call__(self, *options: str, source: object = None) -> dict[str, Any]:
        outcome = await self.outcome(*options, "--json", source=source)
        document: dict[str, Any] = outcome.document
        return document

    async def outcome(self, *options: str, source: object = None) -> Outcome:
        return await run(
            self.environment,
            "takeover",
            "users",
            "--from",
            source or self.shop.url,
            "--rejects",
            self.rejects,
            *options,
        )

    def reasons(self) -> dict[str, str]:
        rows = map(json.loads, self.rejects.read_text().splitlines())
        return {row["email"]: row["reason"] for row in rows}


@pytest.fixture
async def shop(empty_database_url: str) -> Shop:
    return await Shop(empty_database_url).set_up()


@pytest.fixture
def take_over(environment: dict[str, str], shop: Shop, tmp_path: Path) -> Takeover:
    return Takeover(environment, shop, tmp_path)


async def users(service: Instance) -> dict[int, dict[str, Any]]:
    rows = await query(service.settings, "SELECT * FROM users ORDER BY id")
    return {row["id"]: dict(row) for row in rows}


def found(rows: int, **counts: object) -> dict[str, Any]:
    return NOTHING | {"rows": rows, **counts}


async def test_users_come_with_ids_hashes_and_times(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "Grace@Shop.example", name="Grace", created_at=at("2019-01-02T03:04:05"))
    await shop.add(9, "ada@shop.example", email_verified_at=at("2020-01-02T03:04:05"))
    assert await take_over() == found(2, created=2)
    login = await log_in(service.client, "grace@shop.example", "hunter2!")
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert (me["id"], me["name"], me["email"]) == (7, "Grace", "Grace@Shop.example")
    assert me["created_at"] == "2019-01-02T03:04:05.000000Z"
    assert (await users(service))[9]["email_verified_at"] == at("2020-01-02T03:04:05Z")
    # and new accounts have ids of their own
    assert (await add_user(service.settings, "new@shop.example")).id == 10


async def test_second_run_changes_nothing(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example", created_at=at("2019-01-02"))
    await shop.add(9, "ada@shop.example")
    await take_over()
    before = await users(service)
    assert await take_over() == found(2, unchanged=2)
    assert await users(service) == before


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({"email": "New@Shop.example"}, {"email": "New@Shop.example", "canonical_email": "new@shop.example"}),
        ({"email": "GRACE@shop.example"}, {"email": "GRACE@shop.example", "canonical_email": "grace@shop.example"}),
        ({"name": "Amazing Grace"}, {"name": "Amazing Grace"}),
        ({"password": OTHER_PHP_HASH}, {"password_hash": OTHER_PHP_HASH}),
        (
            {"email_verified_at": at("2020-01-02")},
            {"email_verified_at": at("2020-01-02T00Z")},
        ),
        ({"created_at": at("2018-01-02")}, {"created_at": at("2018-01-02T00Z")}),
        ({"updated_at": at("2020-01-02")}, {"updated_at": at("2020-01-02T00Z")}),
    ],
)
async def test_what_changed_there_is_brought(
    take_over: Takeover, shop: Shop, service: Instance, there: dict[str, Any], here: dict[str, Any]
) -> None:
    await shop.add(7, "grace@shop.example", created_at=at("2019-01-02"))
    await shop.add(9, "ada@shop.example")
    await take_over()
    before = await users(service)
    await shop.change(7, **there)
    assert await take_over() == found(2, changed=1, unchanged=1)
    assert await users(service) == {7: before[7] | here, 9: before[9]}
    assert await take_over() == found(2, unchanged=2)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({"name": "There"}, {"name": "Here"}),
        ({"email": "there@shop.example"}, {"email": "here@x.example", "canonical_email": "here@x.example"}),
    ],
)
async def test_what_changed_on_both_sides_stays_and_is_told_until_they_agree(
    take_over: Takeover, shop: Shop, service: Instance, there: dict[str, Any], here: dict[str, Any]
) -> None:
    [field] = there
    await shop.add(7, "grace@shop.example")
    await take_over()
    await change_users(service.settings, user_id=7, **here)
    before = await users(service)
    assert await take_over() == found(1, unchanged=1)
    await shop.change(7, **there)
    conflict = found(1, unchanged=1, conflicts=[{"user_id": 7, "fields": [field]}])
    assert await take_over() == conflict
    assert await take_over() == conflict
    assert await users(service) == before
    said = (await take_over.outcome()).said.splitlines()
    assert said[1:] == [f"conflict: user 7: {field} changed there too, and stays as here"]
    await shop.change(7, **{field: here[field]})
    assert await take_over() == found(1, unchanged=1)
    # and from then on it follows again
    await shop.change(7, **there)
    assert await take_over() == found(1, changed=1)


async def test_other_fields_of_a_user_in_conflict_are_brought(
    take_over: Takeover, shop: Shop, service: Instance
) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    await change_users(service.settings, user_id=7, name="Here")
    await shop.change(7, name="There", password=OTHER_PHP_HASH)
    assert await take_over() == found(1, changed=1, conflicts=[{"user_id": 7, "fields": ["name"]}])
    assert (await users(service))[7]["name"] == "Here"
    assert await stored_hash(service.settings) == OTHER_PHP_HASH


async def test_an_upgraded_hash_is_no_change(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    await log_in(service.client, "grace@shop.example", "hunter2!")
    upgraded = await stored_hash(service.settings)
    assert upgraded.startswith("$argon2id$")
    assert await take_over() == found(1, unchanged=1)
    assert await stored_hash(service.settings) == upgraded
    await shop.change(7, password=OTHER_PHP_HASH)
    assert await take_over() == found(1, changed=1)
    await log_in(service.client, "grace@shop.example", "legacy-cost-10")


async def test_a_password_chosen_here_stays(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    login = await log_in(service.client, "grace@shop.example", "hunter2!")
    change = {"current_password": "hunter2!", "new_password": "seven small violet umbrellas"}
    success(await service.client.put("/api/auth/password", json=change, headers=login.headers))
    assert await take_over() == found(1, unchanged=1)
    await shop.change(7, password=OTHER_PHP_HASH)
    assert await take_over() == found(1, unchanged=1, conflicts=[{"user_id": 7, "fields": ["password_hash"]}])
    await log_in(service.client, "grace@shop.example", "seven small violet umbrellas")


async def test_a_password_changed_there_ends_the_sessions_here(
    take_over: Takeover, shop: Shop, service: Instance
) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    await add_sessions(service.settings, 7, 2)
    await shop.change(7, password=OTHER_PHP_HASH)
    await take_over()
    assert await count_sessions(service.settings) == 0
    # and other services hear of it
    [[revoked]] = await query(service.settings, "SELECT count(*) FROM revocations WHERE user_id = 7")
    assert revoked == 2


async def test_who_is_deleted_there_is_disabled_here(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await shop.add(9, "ada@shop.example")
    await take_over()
    await add_sessions(service.settings, 7, 1)
    await shop.delete(7)
    assert await take_over() == found(1, unchanged=1, disabled=1)
    assert (await users(service))[7]["disabled_at"] is not None
    assert await count_sessions(service.settings) == 0
    assert await take_over() == found(1, unchanged=1)
    # also back from a backup
    await shop.add(7, "grace@shop.example")
    assert await take_over() == found(2, unchanged=1, changed=1)
    assert (await users(service))[7]["disabled_at"] is None


async def test_soft_deleted_users_follow(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await shop.add(8, "never@shop.example", deleted_at=at("2020-01-02"))
    await take_over()
    assert set(await users(service)) == {7}
    await shop.change(7, deleted_at=at("2020-01-02"), email="blanked out", password="")
    assert await take_over() == found(2, deleted=2, disabled=1)
    assert (await users(service))[7]["disabled_at"] is not None
    await shop.change(7, deleted_at=None, email="grace@shop.example", password=PHP_HASH)
    assert await take_over() == found(2, deleted=1, changed=1)
    assert (await users(service))[7]["disabled_at"] is None


async def test_who_was_deleted_here_stays_deleted(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    assert (await run(take_over.environment, "users", "delete", "grace@shop.example", "--yes")).code == 0
    await shop.change(7, name="There")
    assert await take_over() == found(1, deleted_here=1)
    assert await users(service) == {}


async def test_a_new_account_there_has_the_address_of_a_deleted_one(
    take_over: Takeover, shop: Shop, service: Instance
) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    await shop.delete(7)
    await shop.add(8, "grace@shop.example")
    assert await take_over() == found(1, created=1, disabled=1)
    await log_in(service.client, "grace@shop.example", "hunter2!")
    assert (await users(service))[7]["email"] == "deleted-7@takeover.invalid"
    assert await take_over() == found(1, unchanged=1)


async def test_two_users_exchange_their_addresses(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await shop.add(9, "ada@shop.example")
    await take_over()
    await shop.change(7, email="x@shop.example")
    await shop.change(9, email="grace@shop.example")
    await shop.change(7, email="ada@shop.example")
    assert await take_over() == found(2, changed=2)
    owners = await query(service.settings, "SELECT canonical_email, user_id FROM emails")
    assert {tuple(row) for row in owners} == {("ada@shop.example", 7), ("grace@shop.example", 9)}
    await log_in(service.client, "ada@shop.example", "hunter2!")


async def test_an_address_that_another_account_has_here_is_rejected(
    take_over: Takeover, shop: Shop, service: Instance
) -> None:
    own = await add_user(service.settings, "root@shop.example")
    for user_id, email in ((7, "grace@shop.example"), (8, "root@SHOP.example"), (own.id, "ada@shop.example")):
        await shop.add(user_id, email)
    await take_over()
    assert take_over.reasons() == {
        "root@SHOP.example": f"email: the user {own.id} has it",
        "ada@shop.example": "id: another user has it",
    }
    await shop.delete(8)
    await shop.change(7, email="ROOT@shop.example")
    assert "all 2 rows were rejected" in (await take_over.outcome()).error
    assert take_over.reasons()["ROOT@shop.example"] == f"email: the user {own.id} has it here"
    assert (await users(service))[7]["email"] == "grace@shop.example"


async def test_one_address_in_two_spellings_is_one_account(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await shop.add(9, "GRACE@shop.example")
    assert (await take_over())["rejected"] == 1
    assert take_over.reasons() == {"GRACE@shop.example": "email: the user 7 has it there too, in some spelling"}
    assert set(await users(service)) == {7}
    # nobody is disabled because of a row that cannot be read
    await shop.change(7, email="no address")
    assert (await take_over.outcome()).error.startswith("all 2 rows were rejected")
    assert (await users(service))[7]["disabled_at"] is None


async def test_a_user_imported_before_is_taken_over(take_over: Takeover, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text(f"id,email,password_hash\n7,grace@shop.example,{PHP_HASH}\n")
    await run(take_over.environment, "users", "import", file)
    await shop.add(7, "grace@shop.example")
    assert await take_over() == found(1, unchanged=1)
    await shop.change(7, password=OTHER_PHP_HASH)
    assert await take_over() == found(1, changed=1)


async def test_a_file_may_be_a_part_of_the_users(
    take_over: Takeover, shop: Shop, service: Instance, tmp_path: Path
) -> None:
    await shop.add(7, "grace@shop.example")
    await shop.add(9, "ada@shop.example")
    await take_over()
    file = tmp_path / "users.csv"
    file.write_text(f"id,name,email,password,deleted_at\n7,Amazing Grace,grace@shop.example,{PHP_HASH},\n")
    assert await take_over(source=file) == found(1, changed=1)
    file.write_text(f"id,name,email,password,deleted_at\n9,,,,2020-01-02\n,X,x@shop.example,{PHP_HASH},\n")
    assert await take_over(source=file) | {"rejects": None} == found(2, deleted=1, disabled=1, rejected=1)
    assert "id: is missing" in take_over.rejects.read_text()
    assert {user_id: user["disabled_at"] is None for user_id, user in (await users(service)).items()} == {
        7: True, 9: False,
    }  # fmt: skip


async def test_an_empty_source_disables_nobody(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    await take_over()
    await shop.delete(7)
    assert (await take_over.outcome()).error == "there are no users there; nothing was changed"
    assert (await users(service))[7]["disabled_at"] is None


async def test_a_second_takeover_at_the_same_time_says_so(take_over: Takeover, shop: Shop, service: Instance) -> None:
    await shop.add(7, "grace@shop.example")
    connection = await asyncpg.connect(take_over.environment["WUTANG_DATABASE_URL"])
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('wutang-auth takeover users'))")
        error = (await take_over.outcome()).error
    await connection.close()
    assert error == "another `takeover users` runs on this database; wait for its end"
    assert await users(service) == {}


async def test_what_cannot_be_read_is_told_in_one_line(take_over: Takeover, shop: Shop) -> None:
    missing = shop.url.replace("wutang_test_", "no_such_")
    assert "does not exist; nothing was changed" in (await take_over.outcome(source=missing)).error
    away = "postgresql://shop:s3cret@127.0.0.1:1/shop"
    error = (await take_over.outcome(source=away)).error
    assert error == "PostgreSQL: Connection refused; nothing was changed"
    assert 'relation "customers" does not exist' in (await take_over.outcome("--table", "customers")).error
    assert (await take_over.outcome(source="sqlite:///shop")).error.startswith("--from: sqlite:// is no such database")
    assert "has no column pw, which --column names" in (await take_over.outcome("--column", "password_hash=pw")).error


async def test_a_source_that_dies_in_the_middle_changes_nothing(
    take_over: Takeover, shop: Shop, service: Instance
) -> None:
    """Of a view whose later rows cannot be computed, the first thousands arrive."""
    await query(shop.url, "ALTER TABLE users RENAME TO people")
    await query(
        shop.url,
        "CREATE VIEW users AS SELECT n AS id, 'Ada' AS name, 'user' || n || '@shop.example' AS email,"
        f" '{PHP_HASH}'::text || left('', 1 / (n - 2500)) AS password FROM generate_series(1, 5000) AS n",
    )
    assert (await take_over.outcome()).error == "PostgreSQL: division by zero; nothing was changed"
    assert await users(service) == {}
