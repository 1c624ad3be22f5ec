"""Keys that encrypt second factors: missing, exchanged, taken over; and what a dump of the database shows."""

import asyncio
import logging
from base64 import b32encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.commands import Shell
from support.database import query
from support.factors import EMAIL, Clock, add_with_app, answer, ask, try_login
from support.http import assert_refused, success
from support.services import Start, environment_of
from support.users import PASSWORD, add_and_log_in, token_pair
from wutang_auth.embedded.programs import find_binaries
from wutang_auth.main import create_app
from wutang_auth.service.maintenance import Intervals
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing, KeyRingError

NOTE = "second factors cannot be checked: their keys are not in the key ring"


@pytest.fixture
def own_keys(keys_file: Path, tmp_path: Path) -> Path:
    """A key ring that this test may change."""
    path = tmp_path / "keys.json"
    key_file.save(key_file.load(keys_file), path)
    return path


def encrypting_kid(path: Path) -> str:
    key = key_file.load(path).encrypting
    assert key is not None
    return key.kid


def rotate(path: Path) -> None:
    key_file.save(key_file.load(path).with_rotated_encryption(datetime.now(UTC), force=True), path)


async def test_a_dump_shows_no_secret(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    _, app = await add_with_app(service, clock)
    challenge = await ask(service)
    code = success(await answer(service, challenge, recovery_code=app.recovery_codes[0]))["new_recovery_code"]
    challenge = await ask(service)
    url = clock.target.database_url.get_secret_value()
    process = await asyncio.create_subprocess_exec(find_binaries() / "pg_dump", url, stdout=asyncio.subprocess.PIPE)
    dump = (await process.communicate())[0].decode().lower()
    assert EMAIL in dump
    assert "copy public.totps" in dump
    shown = [*app.recovery_codes, code, challenge, b32encode(app.secret).decode(), app.secret.hex()]
    shown += [one.replace("-", "") for one in shown]
    shown += [one.encode().hex() for one in shown]
    assert [one for one in shown if one.lower() in dump] == []


async def test_a_secret_that_is_moved_to_another_user_lets_nobody_in(
    start: Start, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(**clock.settings())
    await add_with_app(service, clock)
    eve, app = await add_with_app(service, clock, "eve@wutang.example")
    await query(
        service.settings,
        "UPDATE totps SET secret = (SELECT secret FROM totps WHERE user_id = $1) WHERE user_id <> $1",
        eve.user_id,
    )
    assert_refused(await answer(service, await ask(service), code=app.code()), 503, 50001)
    assert "cannot be decrypted with the key" in caplog.text
    token_pair(await try_login(service, "eve@wutang.example", code=app.code()))


async def test_without_its_key_nobody_is_let_in_and_the_log_names_it(
    start: Start, clock: Clock, own_keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a backup of the database was restored beside another key ring."""
    service = await start(**clock.settings(keys_file=own_keys))
    _, app = await add_with_app(service, clock)
    assert (await service.client.get("/readyz")).json() == {"status": "ok"}
    kid = encrypting_kid(own_keys)
    key_file.save(replace(key_file.load(own_keys), encryption=()).with_encryption(), own_keys)
    restored = await start(**clock.settings(keys_file=own_keys))
    for code in (app.code(), app.wrong_code()):
        caplog.clear()
        response = await try_login(restored, code=code)
        assert_refused(response, 503, 50001)
        assert "retry-after" in response.headers
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(errors) == 1
        assert kid in errors[0]
    assert_refused(await answer(restored, await ask(restored), code=app.code()), 503, 50001)
    ready = await restored.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "note": NOTE})
    # a recovery code needs no key, and who has no app is served
    success(await answer(restored, await ask(restored), recovery_code=app.recovery_codes[0]))
    await add_and_log_in(restored, "bob@wutang.example")


async def test_a_missing_key_is_no_failed_attempt(start: Start, clock: Clock, own_keys: Path) -> None:
    settings = clock.settings(throttle_account_failures=2)
    service = await start(**settings)
    _, app = await add_with_app(service, clock)
    key_file.save(replace(key_file.load(own_keys), encryption=()).with_encryption(), own_keys)
    restored = await start(**settings, keys_file=own_keys)
    for _ in range(8):
        assert_refused(await try_login(restored, code=app.code()), 503, 50001)
    token_pair(await try_login(service, code=app.code()))


async def test_a_login_encrypts_the_secret_with_the_present_key(start: Start, clock: Clock, own_keys: Path) -> None:
    service = await start(**clock.settings(keys_file=own_keys))
    _, app = await add_with_app(service, clock)
    [before] = await query(service.settings, "SELECT kid, secret FROM totps")
    assert before["kid"] == encrypting_kid(own_keys)
    rotate(own_keys)
    later = await start(**clock.settings(keys_file=own_keys))
    token_pair(await try_login(later, code=app.code()))
    [after] = await query(service.settings, "SELECT kid, secret FROM totps")
    assert after["kid"] == encrypting_kid(own_keys) != before["kid"]
    assert after["secret"] != before["secret"]
    await clock.advance()
    # who has not read the file yet knows that key all the same: it was the next one
    token_pair(await try_login(service, code=app.code()))


async def test_a_running_service_takes_over_the_changed_ring(start: Start, clock: Clock, own_keys: Path) -> None:
    service = await start(**clock.settings(keys_file=own_keys), intervals=Intervals(key_file=0.05))
    await add_with_app(service, clock)
    rotate(own_keys)
    rotate(own_keys)
    kid = encrypting_kid(own_keys)
    for _ in range(200):
        if len(service.app.state.services.tokens.ring.encryption) == len(key_file.load(own_keys).encryption):
            break
        await asyncio.sleep(0.05)
    await add_with_app(service, clock, "eve@wutang.example")
    rows = await query(service.settings, "SELECT kid FROM totps ORDER BY created_at")
    assert rows[1]["kid"] == kid != rows[0]["kid"]


async def test_the_commands_exchange_the_key(start: Start, clock: Clock, own_keys: Path) -> None:
    service = await start(**clock.settings(keys_file=own_keys))
    _, ada = await add_with_app(service, clock)
    await add_with_app(service, clock, "eve@wutang.example")
    shell = Shell(environment_of(clock.target.database_url.get_secret_value(), own_keys))
    old = encrypting_kid(own_keys)
    said = (await shell("keys rotate --encryption --force")).said
    kid = encrypting_kid(own_keys)
    assert said.startswith(f"{kid} encrypts second factors from now on; ")
    assert (await shell(f"keys drop {old}")).error.startswith("second factors are encrypted with it; ")
    assert (await shell("keys reencrypt")).said == f"encrypted 2 second factors with {kid}"
    assert (await shell("keys reencrypt --json")).document == {"kid": kid, "encrypted": 0, "unreadable": 0}
    assert (await shell(f"keys drop {old}")).said == f"dropped {old}"
    assert old not in {key.kid for key in key_file.load(own_keys).encryption}
    later = await start(**clock.settings(keys_file=own_keys))
    token_pair(await try_login(later, code=ada.code()))


async def test_what_cannot_be_decrypted_is_left_and_told(start: Start, clock: Clock, own_keys: Path) -> None:
    service = await start(**clock.settings(keys_file=own_keys))
    await add_with_app(service, clock)
    old = encrypting_kid(own_keys)
    key_file.save(replace(key_file.load(own_keys), encryption=()).with_encryption(), own_keys)
    outcome = await Shell(environment_of(clock.target.database_url.get_secret_value(), own_keys))("keys reencrypt")
    assert outcome.code == 0
    assert outcome.stdout == f"encrypted 0 second factors with {encrypting_kid(own_keys)}\n"
    assert old in outcome.stderr


async def test_a_ring_without_such_a_key_stops_the_start_with_the_command(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(), path)
    with pytest.raises(KeyRingError, match="keys generate --encryption"):
        await start(mfa="optional", keys_file=path)
    await start(keys_file=path)


def test_the_factory_of_the_application_says_so_in_one_line(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(), path)
    for name, value in {**environment, "WUTANG_KEYS_FILE": str(path), "WUTANG_MFA": "optional"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=r"^wutang-auth: WUTANG_KEYS_FILE: the key ring .* has no key that encrypts"):
        create_app()


async def test_what_nobody_confirms_or_answers_is_pruned(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(), intervals=Intervals(pruning=0.05))
    await add_with_app(service, clock)
    login = await add_and_log_in(service, "eve@wutang.example")
    success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
    await ask(service, EMAIL, PASSWORD)
    await clock.advance(25)
    for _ in range(200):
        left = [await query(service.settings, f"SELECT * FROM {table}") for table in ("challenges", "totps")]
        if [len(rows) for rows in left] == [0, 1]:
            break
        await asyncio.sleep(0.05)
    assert [len(rows) for rows in left] == [0, 1]
