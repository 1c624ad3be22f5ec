"""Second factors as tests have them: an app, its codes, and a database whose clock stands still."""

from base64 import b32decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from support.database import query, url_of
from support.http import success
from support.services import Instance
from support.users import PASSWORD, Login, add_and_log_in
from wutang_auth.second_factor.totp import STEP_SECONDS, code_of, step_of
from wutang_auth.settings import Settings

EMAIL = "ada@wutang.example"


@dataclass
class Clock:
    """The clock of a database, for the services that are started with its settings; it stands still."""

    target: Settings
    step: int
    """The time step in whose middle it stands."""

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What a service with second factors is started with, besides: `await start(**clock.settings())`."""
        # a function in a schema that is named before pg_catalog takes the place of now()
        separator = "&" if "?" in url_of(self.target) else "?"
        url = f"{url_of(self.target)}{separator}search_path=stopped,pg_catalog,public"
        return {"database_url": SecretStr(url), "mfa": "optional", **changes}

    async def advance(self, steps: int = 1) -> None:
        """Put it forward, or back."""
        self.step += steps
        await query(self.target, "UPDATE stopped.clock SET t = to_timestamp($1)", self._seconds)

    @property
    def _seconds(self) -> float:
        return (self.step + 0.5) * STEP_SECONDS


async def stopped_clock(target: Settings) -> Clock:
    """Stop the clock of a database at about the present time."""
    [row] = await query(target, "SELECT extract(epoch FROM now())::float8 AS now")
    clock = Clock(target, step_of(row["now"]))
    await query(target, "CREATE SCHEMA stopped")
    await query(target, "CREATE TABLE stopped.clock AS SELECT now() AS t")
    await query(
        target,
        "CREATE FUNCTION stopped.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT t FROM stopped.clock'",
    )
    await clock.advance(0)
    return clock


@dataclass
class App:
    """An authenticator app of one user, beside the clock of its database."""

    clock: Clock
    secret: bytes = field(repr=False)
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What it shows now, or so many steps later."""
        return code_of(self.secret, self.clock.step + steps)

    def wrong_code(self) -> str:
        """A code of no step nearby."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)


def secret_of(uri: str) -> bytes:
    """The secret that an app reads from a QR code."""
    [text] = parse_qs(urlsplit(uri).query)["secret"]
    return b32decode(text)


async def add_app(service: Instance, login: Login, clock: Clock) -> App:
    """Add an app for who is logged in; its first code is used up, so that the clock is put forward."""
    made = success(await service.client.post("/api/auth/factors/totp", headers=login.headers))
    app = App(clock, secret_of(made["uri"]))
    confirmed = await service.client.put("/api/auth/factors/totp", json={"code": app.code()}, headers=login.headers)
    app.recovery_codes = success(confirmed)["recovery_codes"]
    await clock.advance()
    return app


async def add_with_app(service: Instance, clock: Clock, email: str = EMAIL, **user: Any) -> tuple[Login, App]:
    """A new user with an app, logged in."""
    login = await add_and_log_in(service, email, **user)
    return login, await add_app(service, login, clock)


async def try_login(service: Instance, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> httpx.Response:
    """The answer to a login."""
    return await service.client.post("/api/auth/login", json={"email": email, "password": password, **more})


async def ask(service: Instance, email: str = EMAIL, password: str = PASSWORD) -> str:
    """The challenge of a login by the password, which must be right and not enough."""
    response = await try_login(service, email, password)
    assert (response.status_code, response.json()["code"]) == (403, 40003), response.text
    mfa = response.json()["data"]["mfa"]
    assert (mfa["expires_in"], mfa["methods"]) == (300, ["totp", "recovery_code"])
    return str(mfa["challenge"])


async def answer(service: Instance, challenge: str, **proof: Any) -> httpx.Response:
    """The answer to the second step of a login."""
    return await service.client.post("/api/auth/login/second", json={"challenge": challenge, **proof})


async def make_stale(target: Settings) -> None:
    """Let every proof of who somebody is lie too far back."""
    await query(target, "UPDATE sessions SET authenticated_at = authenticated_at - interval '400 s'")
