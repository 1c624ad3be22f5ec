"""`DELETE /api/auth/factors/totp`: an app and its recovery codes go."""

from support.database import query
from support.factors import Clock, add_with_app, answer, ask, make_stale
from support.http import assert_refused, success
from support.mail import Mailbox
from support.services import Start
from support.users import PASSWORD, add_and_log_in, log_in, me

PATH = "/api/auth/factors/totp"


async def test_logins_ask_for_the_password_alone_then(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, _ = await add_with_app(service, clock)
    assert success(await service.client.delete(PATH, headers=login.headers)) is None
    await log_in(service.client)
    assert await query(service.settings, "SELECT digest FROM recovery_codes") == []
    # what is gone proves nothing any more
    assert success(await me(service, login))["amr"] == ["pwd"]


async def test_where_there_is_none_it_is_not_found(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    assert_refused(await service.client.delete(PATH, headers=login.headers), 404, 40004)


async def test_it_asks_for_a_fresh_proof_by_both_factors(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    await make_stale(service.settings)
    response = await service.client.delete(PATH, headers=login.headers)
    assert response.status_code == 403
    assert response.json()["data"] == {"reauthenticate": {"max_age": 300, "methods": ["password", "totp"]}}
    body = {"password": PASSWORD, "code": app.code()}
    success(await service.client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
    success(await service.client.delete(PATH, headers=login.headers))


async def test_who_has_lost_the_phone_logs_in_by_a_recovery_code_and_adds_the_next(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    data = success(await answer(service, await ask(service), recovery_code=app.recovery_codes[0]))
    headers = {"Authorization": f"Bearer {data['access_token']}"}
    success(await service.client.delete(PATH, headers=headers))
    success(await service.client.post(PATH, headers=headers))


async def test_a_mail_tells_of_it(start: Start, clock: Clock, mailbox: Mailbox) -> None:
    service = await start(**clock.settings(**mailbox.settings()))
    login, _ = await add_with_app(service, clock)
    await mailbox.all(service)
    headers = {**login.headers, "Accept-Language": "en"}
    success(await service.client.delete(PATH, headers=headers))
    [mail] = await mailbox.all(service)
    assert mail["Subject"] == "The second factor of your account at id.shop.example was removed"
