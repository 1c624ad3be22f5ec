"""`POST /api/auth/factors/recovery-codes`: other codes in place of all."""

from support.factors import Clock, add_with_app, answer, ask, make_stale
from support.http import assert_refused, success
from support.services import Start
from support.users import add_and_log_in

PATH = "/api/auth/factors/recovery-codes"


async def test_the_new_ones_count_and_the_earlier_ones_do_not(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    codes = success(await service.client.post(PATH, headers=login.headers))["recovery_codes"]
    assert len(set(codes) | set(app.recovery_codes)) == 16
    assert_refused(await answer(service, await ask(service), recovery_code=app.recovery_codes[0]), 401, 10003)
    success(await answer(service, await ask(service), recovery_code=codes[0]))


async def test_there_are_none_without_an_app(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    assert_refused(await service.client.post(PATH, headers=login.headers), 404, 40004)
    success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
    assert_refused(await service.client.post(PATH, headers=login.headers), 404, 40004)


async def test_it_asks_for_a_fresh_proof(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    await make_stale(service.settings)
    assert (await service.client.post(PATH, headers=login.headers)).status_code == 403
    success(await answer(service, await ask(service), recovery_code=app.recovery_codes[0]))
