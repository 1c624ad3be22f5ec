"""`PUT /api/auth/factors/totp`: the first code of an app."""

import asyncio

import pytest

from support.database import count_sessions, query
from support.factors import App, Clock, add_app, ask, secret_of
from support.http import assert_refused, success
from support.mail import Mailbox, text_of
from support.services import Instance, Start
from support.users import Login, add_and_log_in, log_in, me

PATH = "/api/auth/factors/totp"


async def begin(service: Instance, login: Login, clock: Clock) -> App:
    made = success(await service.client.post(PATH, headers=login.headers))
    return App(clock, secret_of(made["uri"]))


async def test_the_first_code_makes_it_a_factor_and_ends_the_other_sessions(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    other = await log_in(service.client)
    app = await begin(service, login, clock)
    found = success(await service.client.put(PATH, json={"code": app.code()}, headers=login.headers))
    assert len(found["recovery_codes"]) == len(set(found["recovery_codes"])) == 8
    await ask(service)
    assert_refused(await me(service, other), 401, 40001)
    assert success(await me(service, login))["amr"] == ["pwd", "otp", "mfa"]
    assert await count_sessions(service.settings) == 1


async def test_of_the_recovery_codes_only_digests_are_kept(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    app = await add_app(service, login, clock)
    rows = await query(service.settings, "SELECT digest FROM recovery_codes")
    assert {len(row["digest"]) for row in rows} == {32}
    assert len(app.recovery_codes) == len(rows) == 8


async def test_a_wrong_code_changes_nothing_and_may_be_tried_again(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    app = await begin(service, login, clock)
    assert_refused(await service.client.put(PATH, json={"code": app.wrong_code()}, headers=login.headers), 409, 10003)
    await log_in(service.client)
    success(await service.client.put(PATH, json={"code": app.code()}, headers=login.headers))


async def test_without_a_beginning_or_after_ten_minutes_there_is_nothing_to_confirm(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    assert_refused(await service.client.put(PATH, json={"code": "123456"}, headers=login.headers), 409, 10003)
    app = await begin(service, login, clock)
    await clock.advance(22)  # the row's own time is the real one, which may lie a step off
    assert_refused(await service.client.put(PATH, json={"code": app.code()}, headers=login.headers), 409, 10003)


async def test_twice_at_the_same_time_it_counts_once(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    app = await begin(service, login, clock)
    answers = await asyncio.gather(
        *(service.client.put(PATH, json={"code": app.code()}, headers=login.headers) for _ in range(4))
    )
    assert sorted(response.status_code for response in answers) == [200, 409, 409, 409]


@pytest.mark.parametrize("body", [{}, {"code": None}, {"code": ""}, {"code": "12345x"}, {"code": 123456}])
async def test_without_a_code_it_is_not_understood(start: Start, clock: Clock, body: dict[str, object]) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    refused = assert_refused(await service.client.put(PATH, json=body, headers=login.headers), 422, 10001)
    assert [error["field"] for error in refused["errors"]] == ["code"]


async def test_a_mail_tells_of_it(start: Start, clock: Clock, mailbox: Mailbox) -> None:
    service = await start(**clock.settings(**mailbox.settings()))
    login = await add_and_log_in(service)
    app = await add_app(service, login, clock)
    [mail] = await mailbox.all(service)
    assert (mail["To"], mail["Subject"]) == ("ada@wutang.example", "您在 id.shop.example 的账号已启用两步验证")
    assert all(code not in text_of(mail) for code in app.recovery_codes)
