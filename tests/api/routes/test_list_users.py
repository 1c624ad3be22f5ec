"""The pages of all users."""

import asyncio

from support.database import fill_users, query, user_ids
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import (
    READER,
    Login,
    add_user,
    administrator,
)
from wutang_auth.repository import UserRepository


async def visit(instance: Instance, caller: Login, limit: int) -> list[int]:
    seen: list[int] = []
    after = 0
    while True:
        page = success(
            await instance.client.get("/api/users", params={"after": after, "limit": limit}, headers=caller.headers)
        )
        assert len(page["items"]) <= limit
        seen += [user["id"] for user in page["items"]]
        if page["next"] is None:
            return seen
        after = page["next"]


async def test_pages_hold_each_user_once(service: Instance) -> None:
    reader = await administrator(service, READER)
    await fill_users(service.settings, 13)
    for limit in (1, 7, 13, 14, 200):
        seen = await visit(service, reader, limit)
        assert seen == sorted(set(seen))
        assert len(seen) == 14


async def test_page_has_fifty_users_unless_told(service: Instance) -> None:
    reader = await administrator(service, READER)
    await fill_users(service.settings, 60)
    page = success(await service.client.get("/api/users", headers=reader.headers))
    assert len(page["items"]) == 50
    assert page["next"] == page["items"][-1]["id"]


async def test_listing_visits_each_once_while_others_are_added_and_deleted(start: Start) -> None:
    one, other = await start(), await start()
    root = await administrator(one)
    await fill_users(one.settings, 1000)
    before = await user_ids(one.settings)
    deleted = {user_id for user_id in before if user_id % 10 == 0}

    async def add_and_delete() -> None:
        for number in range(20):
            await add_user(one.settings, f"new{number}@wutang.example")
        for user_id in sorted(deleted)[:20]:
            success(await other.client.delete(f"/api/users/{user_id}", headers=root.headers))

    seen, _ = await asyncio.gather(visit(one, root, 10), add_and_delete())
    assert len(seen) == len(set(seen))
    assert before - deleted <= set(seen)


async def test_page_is_one_index_scan(service: Instance) -> None:
    await fill_users(service.settings, 2000)
    await query(service.settings, "ANALYZE users")
    for statement, arguments in (
        (UserRepository.LIST, {"after": 1000, "limit": 51}),
        (UserRepository.LIST_EMAIL, {"after": 0, "canonical_email": "user7@wutang.example"}),
    ):
        literals = [f"'{value}'" if isinstance(value, str) else str(value) for value in statement.arguments(arguments)]
        filled_in = statement.sql
        for number, literal in enumerate(literals, 1):
            filled_in = filled_in.replace(f"${number}", literal)
        plan = [row[0] for row in await query(service.settings, f"EXPLAIN {filled_in}")]
        scans = [line for line in plan if "Scan" in line]
        assert len(scans) == 1, plan
        assert "Index Scan" in scans[0], plan
        assert not any("Sort" in line for line in plan), plan


async def test_email_filter_finds_the_one_user(service: Instance) -> None:
    reader = await administrator(service, READER)
    ada = await add_user(service.settings)
    await fill_users(service.settings, 3)
    for email in ("ada@wutang.example", "ADA@WUTANG.example", " ada@wutang.example "):
        page = success(await service.client.get("/api/users", params={"email": email}, headers=reader.headers))
        assert [user["id"] for user in page["items"]] == [ada.id]
        assert page["next"] is None


async def test_page_after_the_last_is_empty(service: Instance) -> None:
    reader = await administrator(service, READER)
    last: dict[str, str | int] = {"email": "root@wutang.example", "after": reader.user_id or 0}
    for params in ({"email": "ad@wutang.example"}, {"after": 999}, {"after": 2**63 - 1}, last):
        page = success(await service.client.get("/api/users", params=params, headers=reader.headers))
        assert page == {"items": [], "next": None}


async def test_bad_query_is_named_and_not_repeated(service: Instance) -> None:
    reader = await administrator(service, READER)
    for field, value in [
        ("limit", "0"), ("limit", "201"), ("limit", "-1"), ("limit", "many"), ("limit", ""), ("limit", "9" * 5000),
        ("after", "-1"), ("after", str(2**63)), ("after", "x"), ("after", "1.5"), ("email", "nobody"), ("email", ""),
        ("email", "nul\x00@wutang.example"), ("email", "%"),
    ]:  # fmt: skip
        response = await service.client.get(
            "/api/users", params={field: value}, headers=reader.headers | {"Accept-Language": "en"}
        )
        body = assert_refused(response, 422, 10001)
        assert [error["field"] for error in body["errors"]] == [field]
        if len(value) > 2:
            assert value not in response.text
