"""`POST /api/auth/factors/totp`: what an app is given."""

from xml.etree import ElementTree as ET

from support.database import query
from support.factors import Clock, add_with_app, make_stale, secret_of, try_login
from support.http import assert_refused, success
from support.services import Start
from support.users import add_and_log_in, token_pair


async def test_it_gives_a_secret_in_three_forms_and_asks_for_no_code_yet(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(mfa_issuer="Käse & Wein"))
    login = await add_and_log_in(service, "ada+x@wutang.example")
    made = success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
    assert set(made) == {"secret", "uri", "qr"}
    assert made["uri"].startswith("otpauth://totp/K%C3%A4se%20%26%20Wein:ada%2Bx@wutang.example?secret=")
    assert f"secret={made['secret']}&" in made["uri"]
    assert ET.fromstring(made["qr"]).tag.endswith("svg")
    token_pair(await try_login(service, "ada+x@wutang.example"))


async def test_asked_again_it_makes_another_one(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    secrets = set()
    for _ in range(3):
        made = success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
        secrets.add(secret_of(made["uri"]))
    assert len(secrets) == 3


async def test_the_secret_is_stored_encrypted(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    made = success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
    [row] = await query(service.settings, "SELECT secret, kid FROM totps")
    assert secret_of(made["uri"]) not in row["secret"]
    assert len(row["secret"]) == 12 + 20 + 16


async def test_who_has_an_app_removes_it_first(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login, app = await add_with_app(service, clock)
    assert_refused(await service.client.post("/api/auth/factors/totp", headers=login.headers), 409, 10003)
    token_pair(await try_login(service, code=app.code()))


async def test_it_asks_for_a_fresh_proof(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings())
    login = await add_and_log_in(service)
    await make_stale(service.settings)
    response = await service.client.post("/api/auth/factors/totp", headers=login.headers)
    assert response.status_code == 403
    assert response.json()["data"] == {"reauthenticate": {"max_age": 300, "methods": ["password"]}}
    assert await query(service.settings, "SELECT user_id FROM totps") == []
