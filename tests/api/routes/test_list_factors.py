"""`GET /api/auth/factors`: what the caller has."""

import pytest

from support.factors import Clock, add_with_app
from support.http import assert_refused, success
from support.services import Start
from support.users import add_and_log_in


async def test_the_caller_sees_what_it_has(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service, "eve@wutang.example")
    response = await service.client.get("/api/auth/factors", headers=login.headers)
    assert success(response) == {"totp": None, "recovery_codes": 0, "required": False}
    login, _ = await add_with_app(service, clock)
    found = success(await service.client.get("/api/auth/factors", headers=login.headers))
    assert found["totp"]["added_at"].endswith("Z")
    assert (found["recovery_codes"], found["required"]) == (8, False)


@pytest.mark.parametrize(("scopes", "mfa", "required"), [([], "all", True), ([], "writers", False)])
async def test_it_tells_whether_one_is_needed(
    start: Start, clock: Clock, scopes: list[str], mfa: str, *, required: bool
) -> None:
    service = await start(**clock.settings(mfa=mfa))
    login = await add_and_log_in(service, scopes=scopes)
    found = success(await service.client.get("/api/auth/factors", headers=login.headers))
    assert found["required"] is required


async def test_nobody_sees_them_without_a_token(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    assert_refused(await service.client.get("/api/auth/factors"), 401, 40001)
