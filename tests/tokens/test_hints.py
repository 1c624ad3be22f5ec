"""What refused tokens tell operators: that instances differ in their keys or clocks. One line, however many come."""

import logging
import time
from pathlib import Path

import pytest

from support.http import assert_refused, success
from support.legacy import HEADER, add_taken_over, legacy_claims, legacy_token, sign, start_legacy
from support.services import Instance, Start
from support.tampering import stranger
from support.tokens import Forge, bearer, encode_segment, forge, header_of
from support.users import Login, add_and_log_in, log_in
from wutang_auth.tokens import key_file
from wutang_auth.tokens.hints import Hints
from wutang_auth.tokens.key_ring import KeyRing

KID = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"


@pytest.fixture
async def login(service: Instance) -> Login:
    """Of a user who is there."""
    return await add_and_log_in(service)


def hints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log that are about keys and clocks."""
    return [record.getMessage() for record in caplog.records if record.name == "wutang_auth.tokens.hints"]


async def refuse(instance: Instance, *tokens: str) -> None:
    """Show each token to a route, which must not let it in."""
    for token in tokens:
        assert_refused(await instance.client.get("/api/auth/me", headers=bearer(token)), 401, 40001)


async def test_a_key_that_another_instance_has_is_named_once(
    service: Instance, login: Login, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(), path)
    other = await log_in((await start(keys_file=path)).client)
    await refuse(service, other.access_token, other.refresh_token, *[other.access_token] * 5)
    [line] = hints(caplog)
    assert f"names the key {header_of(other.access_token)['kid']}, which this key ring does not have" in line
    assert "compare `wutang-auth keys list`" in line
    assert [record.levelno for record in caplog.records if record.getMessage() == line] == [logging.WARNING]
    success(await service.client.get("/api/auth/me", headers=login.headers))


async def test_a_clock_that_is_ahead_is_told_once(
    service: Instance, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = int(time.time()) + 600
    token = forge(service.settings).changed(login.access_token, iat=ahead, nbf=ahead, exp=ahead + 3600)
    await refuse(service, *[token] * 6)
    [line] = hints(caplog)
    assert "a token of ours is 60" in line  # by the clock of an instance that dates tokens 5 s back: 605
    assert "where WUTANG_CLOCK_SKEW allows 5 s: compare the clocks of all instances" in line


async def test_a_clock_of_the_earlier_application_that_is_ahead_is_told_once(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start_legacy(start)
    user_id = await add_taken_over(service)
    await refuse(service, sign(HEADER, legacy_claims(user_id, age=-600), "another secret"))
    assert hints(caplog) == []
    await refuse(service, *[legacy_token(user_id, age=-600)] * 6)
    [line] = hints(caplog)
    assert "a token of the earlier application is " in line
    assert "where WUTANG_CLOCK_SKEW allows 5 s: compare the clocks of its machines with the one here" in line


async def test_what_others_write_is_no_hint(service: Instance, login: Login, caplog: pytest.LogCaptureFixture) -> None:
    real, foreign = forge(service.settings), Forge(stranger())
    header, ahead = header_of(login.access_token), int(time.time()) + 600
    body = login.access_token.split(".")[1]
    await refuse(
        service,
        real.changed(login.access_token, {"kid": KID}, iss="https://other.example"),
        real.changed(login.access_token, {"kid": KID, "typ": "JWT"}),
        real.changed(login.access_token, {"kid": KID[:-1]}),
        real.changed(login.access_token, {"kid": KID[:-1] + "V"}),  # no spelling of 32 bytes
        real.changed(login.access_token, {"kid": "2026-11"}),
        real.changed(login.access_token, {"kid": None}),
        real.sign(header | {"kid": KID}, b"[]"),
        real.sign(header | {"kid": KID}, b"no JSON"),
        f"{encode_segment(header | {'kid': KID})}.{body[:-1]}.{'A' * 86}",
        foreign.changed(login.access_token, iat=ahead, nbf=ahead),
        real.changed(login.access_token, iss="https://other.example", iat=ahead),
    )
    assert hints(caplog) == []


async def test_good_tokens_leave_no_line(service: Instance, login: Login, caplog: pytest.LogCaptureFixture) -> None:
    now = int(time.time())
    for token in (
        login.access_token,
        forge(service.settings).changed(login.access_token, iat=now, nbf=now),  # by a clock that is 5 s ahead
    ):
        success(await service.client.get("/api/auth/me", headers=bearer(token)))
    expired = forge(service.settings).changed(login.access_token, exp=now - 1)
    assert_refused(await service.client.get("/api/auth/me", headers=bearer(expired)), 401, 40005)
    assert hints(caplog) == []


def test_a_hint_comes_again_after_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    told = Hints(issuer="wutang-auth", clock_skew=5, clock=lambda: clock[0])
    body = encode_segment({"iss": "wutang-auth"})
    for seconds, lines in ((0.0, 3), (1.0, 3), (599.9, 3), (600.0, 6), (601.0, 6), (1200.0, 9)):
        clock[0] = seconds
        told.unknown_key(KID, body)
        told.from_the_future(60)
        told.legacy_from_the_future(60)
        assert len(hints(caplog)) == lines
