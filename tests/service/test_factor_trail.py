"""What the log says of second factors: each event once, with its reason, and no code, secret or challenge."""

import logging
import re

import pytest

from support.factors import Clock, add_app, answer, ask, make_stale, try_login
from support.http import success
from support.services import Start
from support.users import PASSWORD, add_and_log_in, administrator


async def test_each_event_is_one_line_without_a_secret(
    start: Start, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(**clock.settings())
    root = await administrator(service)
    client = service.client
    with caplog.at_level(logging.DEBUG):
        login = await add_and_log_in(service)
        app = await add_app(service, login, clock)
        secrets = [challenge := await ask(service)]
        await answer(service, challenge, code=app.wrong_code())
        await answer(service, challenge, code=app.code(-1))
        await answer(service, "nothing", code=app.code())
        success(await answer(service, challenge, code=app.code()))
        await clock.advance()
        success(await try_login(service, code=app.code()))
        secrets.append(challenge := await ask(service))
        new = success(await answer(service, challenge, recovery_code=app.recovery_codes[0]))["new_recovery_code"]
        await make_stale(service.settings)
        await clock.advance()
        body = {"password": PASSWORD, "code": app.code()}
        success(await client.post("/api/auth/reauthenticate", json=body, headers=login.headers))
        codes = success(await client.post("/api/auth/factors/recovery-codes", headers=login.headers))["recovery_codes"]
        success(await client.delete("/api/auth/factors/totp", headers=login.headers))
        body = {"password": PASSWORD}
        success(await client.post("/api/auth/reauthenticate", json=body, headers=root.headers))
        success(await client.delete(f"/api/users/{login.user_id}/factors", headers=root.headers))
    fields = [record.fields for record in caplog.records if record.name == "wutang_auth.audit"]  # type: ignore[attr-defined]  # it has them
    assert [(line["event"], line.get("reason"), line.get("amr")) for line in fields] == [
        ("login", None, "pwd"),
        ("factor_added", "totp", None),
        ("second_factor_asked", None, None),
        ("second_factor_failed", "wrong code", None),
        ("second_factor_failed", "used code", None),
        ("second_factor_failed", "no such challenge", None),
        ("login", None, "pwd,otp,mfa"),
        ("second_factor_asked", None, None),
        ("login", None, "pwd,otp,mfa"),
        ("second_factor_asked", None, None),
        ("recovery_code_used", None, None),
        ("login", None, "pwd,mfa"),
        ("reauthenticated", None, None),
        ("recovery_codes_renewed", None, None),
        ("factor_removed", "totp", None),
        ("reauthenticated", None, None),
        ("factors_reset", None, None),
    ]
    assert fields[-1]["actor_id"] == root.user_id
    said = "\n".join(
        f"{record.getMessage()} {getattr(record, 'fields', '')}"
        for record in caplog.records
        if record.name.startswith("wutang")
    )
    secrets += [PASSWORD, app.code(), app.code(-1), new, *app.recovery_codes, *codes]
    assert [secret for secret in secrets if re.search(rf"\b{re.escape(secret)}\b", said)] == []
