"""PATCH /api/auth/me: users change their name, and nothing else."""

from typing import Any

import httpx
import pytest

from support.http import assert_refused, success
from support.services import Instance
from support.users import Login, add_and_log_in


async def patch_me(service: Instance, login: Login, **body: Any) -> httpx.Response:
    return await service.client.patch("/api/auth/me", headers=login.headers, json=body)


async def test_name_changes_at_once(service: Instance) -> None:
    login = await add_and_log_in(service, name="Ada")
    assert success(await patch_me(service, login, name="  Ada 王 "))["name"] == "Ada 王"
    assert success(await service.client.get("/api/auth/me", headers=login.headers))["name"] == "Ada 王"


async def test_nothing_else_changes(service: Instance) -> None:
    login = await add_and_log_in(service, name="Ada")
    before = success(await service.client.get("/api/auth/me", headers=login.headers))
    more: dict[str, Any] = {"scopes": ["users:write"], "email": "eve@wutang.example", "disabled": True, "id": 7}
    after = success(await patch_me(service, login, name="Eve", **more, email_verified_at="2026-01-01T00:00:00Z"))
    assert {**after, "updated_at": None, "name": None} == {**before, "updated_at": None, "name": None}


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": 7}, {"name": "a\nb"}, {"name": "x" * 256}], ids=repr)
async def test_no_name_is_refused_by_its_field(service: Instance, body: dict[str, Any]) -> None:
    refused = await patch_me(service, await add_and_log_in(service), **body)
    assert assert_refused(refused, 422, 10001)["errors"][0]["field"] == "name"


async def test_without_a_token_nothing_changes(service: Instance) -> None:
    assert_refused(await service.client.patch("/api/auth/me", json={"name": "Eve"}), 401, 40001)
