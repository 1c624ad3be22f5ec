"""Logins of who has a second factor, over HTTP: `POST /api/auth/login` with `code`, `POST /api/auth/login/second`."""

import asyncio
from typing import Any

import pytest

from support.database import count_sessions, query
from support.factors import EMAIL, Clock, add_with_app, answer, ask, try_login
from support.http import assert_refused, success
from support.mail import Mailbox, text_of
from support.services import Start
from support.tokens import claims_of
from support.users import NEW_PASSWORD, PASSWORD, add_and_log_in, administrator, me, token_pair, update


async def test_the_password_alone_gets_a_challenge_and_no_token(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    await add_with_app(service, clock)
    before = await count_sessions(service.settings)
    for more in ({}, {"refresh": "cookie"}):
        response = await try_login(service, **more)
        assert response.status_code == 403
        assert response.headers["cache-control"] == "no-store"
        assert "set-cookie" not in response.headers
        body = response.json()
        assert (body["code"], body["message"], set(body["data"])) == (40003, "权限不足", {"mfa"})
        assert set(body["data"]["mfa"]) == {"challenge", "expires_in", "methods"}
        assert len(body["data"]["mfa"]["challenge"]) == 43
    assert await count_sessions(service.settings) == before


async def test_a_code_finishes_the_login(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    response = await answer(service, await ask(service), code=app.code())
    assert success(response)["new_recovery_code"] is None
    login = token_pair(response)
    assert claims_of(login.access_token)["amr"] == ["pwd", "otp", "mfa"]
    assert success(await me(service, login))["email"] == EMAIL
    [row] = await query(service.settings, "SELECT amr FROM sessions WHERE id = $1", login.session_id)
    assert row["amr"] == ["pwd", "otp", "mfa"]


async def test_programs_send_the_code_along(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    token_pair(await try_login(service, code=app.code()))
    await clock.advance()
    form = {"email": EMAIL, "password": PASSWORD, "code": app.code()}
    token_pair(await service.client.post("/api/auth/login", data=form))


async def test_who_has_no_app_needs_no_code_and_may_send_one(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    assert claims_of(login.access_token)["amr"] == ["pwd"]
    token_pair(await try_login(service, code="123456"))


@pytest.mark.parametrize(
    "typed",
    ["{0}{1}{2} {3}{4}{5}", " {0}{1}{2}-{3}{4}{5} ", "{0} {1} {2} {3} {4} {5}", "{0}{1}{2}\u00a0{3}{4}{5}", "wide"],
)
async def test_a_code_is_taken_as_people_type_it(start: Start, clock: Clock, typed: str) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in app.code())
    code = wide if typed == "wide" else typed.format(*app.code())
    success(await answer(service, await ask(service), code=code))


async def test_a_code_works_once(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    success(await answer(service, await ask(service), code=app.code()))
    assert_refused(await answer(service, await ask(service), code=app.code()), 401, 10003)
    assert_refused(await try_login(service, code=app.code()), 401, 10003)
    await clock.advance()
    success(await answer(service, await ask(service), code=app.code()))


async def test_the_code_of_the_enrolment_is_no_login_code(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    assert_refused(await answer(service, await ask(service), code=app.code(-1)), 401, 10003)


@pytest.mark.parametrize(("off", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_code_counts_one_step_early_or_late_and_no_more(
    start: Start, clock: Clock, off: int, *, counts: bool
) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    await clock.advance(5)
    response = await answer(service, await ask(service), code=app.code(off))
    assert response.status_code == (200 if counts else 401)
    if counts and off == 1:  # those of before are used up by it
        assert_refused(await answer(service, await ask(service), code=app.code()), 401, 10003)


async def test_the_sixth_attempt_is_refused_although_it_is_right(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    for _ in range(5):
        assert_refused(await answer(service, challenge, code=app.wrong_code()), 401, 10003)
    assert_refused(await answer(service, challenge, code=app.code()), 401, 10003)
    success(await answer(service, await ask(service), code=app.code()))


async def test_a_used_code_costs_an_attempt_and_not_the_challenge(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    assert_refused(await answer(service, challenge, code=app.code(-1)), 401, 10003)
    success(await answer(service, challenge, code=app.code()))


async def test_a_challenge_works_once_and_burns_no_code_after_that(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    success(await answer(service, challenge, code=app.code()))
    await clock.advance()
    assert_refused(await answer(service, challenge, code=app.code()), 401, 10003)
    assert_refused(await answer(service, challenge, recovery_code=app.recovery_codes[0]), 401, 10003)
    success(await answer(service, await ask(service), code=app.code()))
    success(await answer(service, await ask(service), recovery_code=app.recovery_codes[0]))


async def test_a_challenge_dies_after_five_minutes(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    await clock.advance(10)
    assert_refused(await answer(service, challenge, code=app.code()), 401, 10003)


@pytest.mark.parametrize("change", ["password", "disabled", "deleted", "app"])
async def test_a_challenge_dies_with_what_it_rests_on(start: Start, clock: Clock, change: str) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    root = await administrator(service)
    challenge = await ask(service)
    if change == "password":
        success(await update(service, root, login.user_id, password=NEW_PASSWORD))
    elif change == "disabled":
        success(await update(service, root, login.user_id, disabled=True))
    elif change == "deleted":
        await service.client.delete(f"/api/users/{login.user_id}", headers=root.headers)
    else:
        success(await service.client.delete("/api/auth/factors/totp", headers=login.headers))
    sessions = await count_sessions(service.settings)
    for proof in ({"code": app.code()}, {"recovery_code": app.recovery_codes[0]}):
        assert_refused(await answer(service, challenge, **proof), 401, 10003)
    assert await count_sessions(service.settings) == sessions


async def test_a_challenge_is_of_one_user(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, ada = await add_with_app(service, clock)
    _, eve = await add_with_app(service, clock, "eve@wutang.example")
    for proof in ({"code": eve.code()}, {"recovery_code": eve.recovery_codes[0]}):
        assert_refused(await answer(service, await ask(service), **proof), 401, 10003)
    success(await answer(service, await ask(service, "eve@wutang.example"), recovery_code=eve.recovery_codes[0]))
    success(await answer(service, await ask(service), code=ada.code()))


async def test_a_recovery_code_stands_in_for_the_app_once_and_is_replaced(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    code = app.recovery_codes[3]
    typed = code.replace("-", " ").lower().replace("0", "o").replace("1", "l")
    response = await answer(service, await ask(service), recovery_code=typed)
    new_code = success(response)["new_recovery_code"]
    assert new_code not in app.recovery_codes
    assert claims_of(token_pair(response).access_token)["amr"] == ["pwd", "mfa"]
    assert_refused(await answer(service, await ask(service), recovery_code=code), 401, 10003)
    success(await answer(service, await ask(service), recovery_code=new_code))
    [row] = await query(service.settings, "SELECT count(*) AS number FROM recovery_codes")
    assert row["number"] == 8


async def test_one_recovery_code_at_the_same_time_lets_in_once(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(throttle_account_failures=100))
    _, app = await add_with_app(service, clock)
    challenges = [await ask(service) for _ in range(6)]
    before = await count_sessions(service.settings)
    answers = await asyncio.gather(*(answer(service, c, recovery_code=app.recovery_codes[0]) for c in challenges))
    assert sorted(response.status_code for response in answers) == [200] + [401] * 5
    assert await count_sessions(service.settings) == before + 1


async def test_a_mail_tells_that_a_recovery_code_was_used(start: Start, clock: Clock, mailbox: Mailbox) -> None:
    service = await start(**clock.settings(**mailbox.settings()))
    _, app = await add_with_app(service, clock)
    await mailbox.all(service)
    success(await answer(service, await ask(service), recovery_code=app.recovery_codes[0]))
    [mail] = await mailbox.all(service)
    assert mail["To"] == EMAIL
    assert "恢复码" in mail["Subject"]
    assert app.recovery_codes[0] not in text_of(mail)


async def test_the_refresh_token_comes_in_the_cookie_where_that_is_wanted(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    body = {"challenge": await ask(service), "code": app.code(), "refresh": "cookie"}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert_refused(await service.client.post("/api/auth/login/second", json=body, headers=foreign), 401, 40001)
    response = await service.client.post("/api/auth/login/second", json=body)
    assert success(response)["refresh_token"] is None
    assert response.headers["set-cookie"].startswith("__Host-wutang-refresh=")


async def test_attempts_at_the_second_factor_are_counted_in_a_bucket_of_their_own(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(throttle_account_failures=3))
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    statuses = [(await answer(service, challenge, code=app.wrong_code())).status_code for _ in range(5)]
    assert statuses[:3] == [401] * 3
    assert 429 in statuses
    # the password's is another one, of which only one attempt was made
    assert (await try_login(service, EMAIL, "wrong")).status_code == 401


async def test_the_password_alone_does_not_clear_its_own_bucket(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(throttle_account_failures=3))
    _, app = await add_with_app(service, clock)
    await query(service.settings, "DELETE FROM attempts")
    for _ in range(2):
        await ask(service)
    challenge = await ask(service)
    assert (await try_login(service)).status_code == 429
    success(await answer(service, challenge, code=app.code()))
    await ask(service)


async def test_an_unverified_address_clears_no_bucket_by_the_password_alone(
    start: Start, clock: Clock, mailbox: Mailbox
) -> None:
    service = await start(**clock.settings(**mailbox.settings(), login_needs_verified_email=True))
    open_service = await start(**clock.settings())
    await add_with_app(open_service, clock)
    await query(service.settings, "DELETE FROM attempts")
    assert (await try_login(service, EMAIL, "wrong")).status_code == 401
    assert (await try_login(service)).status_code == 403
    [row] = await query(service.settings, "SELECT max(failures) AS most, count(succeeded_at) AS known FROM attempts")
    assert (row["most"], row["known"]) == (1, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "123456"}, "challenge"),
        ({"challenge": "c"}, "recovery_code"),
        ({"challenge": "c", "code": "123456", "recovery_code": "7Q2MX-0ZK4D-9HFT3-VWB6N-R811C"}, "recovery_code"),
        ({"challenge": "c", "code": "12345"}, "code"),
        ({"challenge": "c", "code": "1234567"}, "code"),
        ({"challenge": "c", "code": "12345a"}, "code"),
        ({"challenge": "c", "code": 123456}, "code"),
        ({"challenge": "c", "recovery_code": "short"}, "recovery_code"),
        ({"challenge": "", "code": "123456"}, "challenge"),
        ({"challenge": "c" * 129, "code": "123456"}, "challenge"),
        ({"challenge": "c\x00", "code": "123456"}, "challenge"),
        ({"challenge": ["c"], "code": "123456"}, "challenge"),
    ],
)
async def test_what_is_not_understood_is_named(start: Start, clock: Clock, body: dict[str, Any], field: str) -> None:
    service = await start(**clock.settings())
    refused = assert_refused(await service.client.post("/api/auth/login/second", json=body), 422, 10001)
    assert [error["field"] for error in refused["errors"]] == [field]


@pytest.mark.parametrize("challenge", ["c", "ä", "\u202e", "x" * 128])
async def test_an_unknown_challenge_is_refused_as_a_wrong_code(start: Start, clock: Clock, challenge: str) -> None:
    service = await start(**clock.settings())
    assert_refused(await answer(service, challenge, code="123456"), 401, 10003)


async def test_wrong_password_and_wrong_code_are_one_answer(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    answers = [
        await try_login(service, EMAIL, "wrong", code=app.code()),
        await try_login(service, EMAIL, PASSWORD, code=app.wrong_code()),
        await try_login(service, "nobody@wutang.example", PASSWORD, code=app.code()),
    ]
    assert {response.status_code for response in answers} == {401}
    assert len({response.text for response in answers}) == 1
    assert len({tuple(sorted(set(response.headers) - {"x-request-id"})) for response in answers}) == 1


async def test_ten_thousand_open_challenges_stand_in_nobody_s_way_and_go(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    await query(
        service.settings,
        "INSERT INTO challenges (digest, purpose, user_id, verified_hash, expires_at)"
        " SELECT decode(md5(n::text), 'hex'), 'login', $1, 'x', now() - interval '1 s' * (n % 2)"
        " + interval '1 min' * ((n + 1) % 2) FROM generate_series(1, 10000) AS n",
        login.user_id,
    )
    success(await answer(service, await ask(service), code=app.code()))


async def test_with_a_laravel_style_the_second_step_is_enveloped(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(response_style="laravel"))
    enveloped = await start(**clock.settings())
    _, app = await add_with_app(enveloped, clock)
    success(await answer(service, await ask(service), code=app.code()))
    await clock.advance()
    response = await try_login(service, code=app.code())
    assert set(response.json()) == {"access_token", "token_type", "expires_in"}
