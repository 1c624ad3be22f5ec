"""Without `WUTANG_MFA` second factors are absent: nothing of them is imported, no route is there, none is asked for."""

import subprocess
import sys

import pytest

from support.factors import Clock, add_with_app, try_login
from support.http import assert_refused
from support.mail import Mailbox
from support.services import Instance, Start, environment_of
from support.tokens import claims_of
from support.users import add_and_log_in, administrator, token_pair

PROGRAM = """
import asyncio, sys
from wutang_auth.main import create_app
app = create_app()

async def start():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(start())
print(*sorted(name for name in sys.modules if name.startswith((
    "segno", "wutang_auth.second_factor", "wutang_auth.service.factors", "wutang_auth.api.routes.factors",
))))
"""


def loaded(service: Instance, **settings: object) -> list[str]:
    """What of second factors a service with these settings has loaded."""
    url = service.settings.database_url.get_secret_value()
    environment = environment_of(url, service.settings.keys_file, **settings)
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_nothing_of_them_is_imported(service: Instance) -> None:
    assert loaded(service) == []
    assert loaded(service, smtp_url="smtp://localhost", mail_from="a@b.example", public_url="https://b.example") == []


def test_where_they_are_on_the_qr_code_waits_for_who_needs_it(service: Instance) -> None:
    found = loaded(service, mfa="optional")
    assert "wutang_auth.second_factor.totp" in found
    assert "segno" not in found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/login/second"), ("GET", "/api/auth/factors"), ("POST", "/api/auth/factors/totp"),
        ("PUT", "/api/auth/factors/totp"), ("DELETE", "/api/auth/factors/totp"),
        ("POST", "/api/auth/factors/recovery-codes"), ("DELETE", "/api/users/1/factors"),
        ("POST", "/api/auth/reauthenticate"),
    ],
)  # fmt: skip
async def test_the_routes_are_not_there(service: Instance, method: str, path: str) -> None:
    root = await administrator(service)
    assert_refused(await service.client.request(method, path, headers=root.headers), 404, 40004)


async def test_who_has_an_app_logs_in_by_the_password_then(start: Start, clock: Clock, service: Instance) -> None:
    await add_with_app(await start(**clock.settings()), clock)
    login = token_pair(await try_login(service))
    assert "amr" not in claims_of(login.access_token)


async def test_with_mail_alone_a_fresh_proof_is_the_password(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    login = await add_and_log_in(service)
    response = await service.client.post(
        "/api/auth/reauthenticate", json={"password": "correct horse battery staple"}, headers=login.headers
    )
    assert response.status_code == 200
