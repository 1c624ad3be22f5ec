"""`DELETE /api/users/{id}/factors`: an administrator helps who has lost phone and recovery codes."""

from support.database import query
from support.factors import Clock, add_with_app, make_stale
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Start
from support.users import add_and_log_in, administrator, log_in, me


def path(user_id: object) -> str:
    return f"/api/users/{user_id}/factors"


async def test_the_factors_and_the_sessions_go(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    root = await administrator(service)
    login, _ = await add_with_app(service, clock)
    assert success(await service.client.delete(path(login.user_id), headers=root.headers)) is None
    assert_refused(await me(service, login), 401, 40001)
    await log_in(service.client)
    for table in ("totps", "recovery_codes", "challenges"):
        assert await query(service.settings, f"SELECT * FROM {table}") == []


async def test_of_who_has_more_scopes_they_stay(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    root = await administrator(service)
    login, _ = await add_with_app(service, clock, scopes=["orders:read"])
    assert_refused(await service.client.delete(path(login.user_id), headers=root.headers), 409, 10003)
    assert success(await me(service, login))["amr"] == ["pwd", "otp", "mfa"]


async def test_it_asks_for_the_scope_and_for_a_fresh_proof(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    root = await administrator(service)
    login, _ = await add_with_app(service, clock)
    reader = await add_and_log_in(service, "eve@wutang.example", scopes=["users:read"])
    assert_refused(await service.client.delete(path(login.user_id), headers=reader.headers), 403, 40003)
    await make_stale(service.settings)
    response = await service.client.delete(path(login.user_id), headers=root.headers)
    assert (response.status_code, set(response.json()["data"])) == (403, {"reauthenticate"})
    success(await me(service, login))


async def test_nobody_is_found_where_nobody_is(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    root = await administrator(service)
    for user_id in (4711, "x", 0):
        assert_refused(await service.client.delete(path(user_id), headers=root.headers), 404, 40004)


async def test_a_mail_tells_the_user(start: Start, clock: Clock, mailbox: Mailbox) -> None:
    service = await start(**clock.settings(**mailbox.settings(language="en")))
    root = await administrator(service)
    login, _ = await add_with_app(service, clock)
    await mailbox.all(service)
    success(await service.client.delete(path(login.user_id), headers=root.headers))
    [mail] = await mailbox.all(service)
    assert (mail["To"], mail["Subject"]) == (
        "ada@wutang.example",
        "The second factor of your account at id.shop.example was reset",
    )
