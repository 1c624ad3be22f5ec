"""Over every way to log in: who has a second factor gets no token of any kind before it."""

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from support.database import query
from support.factors import EMAIL, App, Clock, add_app, add_with_app, answer, try_login
from support.legacy import (
    add_taken_over,
    delete_logout,
    get_me,
    legacy_settings,
    legacy_token,
    put_refresh,
    take_over,
)
from support.mail import Mailbox
from support.services import Instance, Start
from support.tokens import bearer
from support.users import NEW_PASSWORD, PASSWORD, Login, administrator, log_in

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


@dataclass
class Thief:
    """Knows the password, the mailbox and a token of the earlier application, but has no app; tries everything."""

    service: Instance
    app: App
    root: Login
    legacy: str
    mailbox: Mailbox
    password: str = PASSWORD
    challenges: list[str] = field(default_factory=lambda: ["x"])

    def _seen(self, response: httpx.Response) -> None:
        body = response.json()
        mfa = (body.get("data") or {}).get("mfa")
        if mfa is not None:
            self.challenges.append(mfa["challenge"])

    async def log_in(self) -> httpx.Response:
        response = await try_login(self.service, EMAIL, self.password)
        self._seen(response)
        return response

    async def log_in_by_form(self) -> httpx.Response:
        return await self.service.client.post("/api/auth/login", data={"email": EMAIL, "password": self.password})

    async def log_in_with_a_cookie(self) -> httpx.Response:
        return await try_login(self.service, EMAIL, self.password, refresh="cookie")

    async def log_in_with_a_wrong_code(self) -> httpx.Response:
        return await try_login(self.service, EMAIL, self.password, code=self.app.wrong_code())

    async def log_in_with_the_last_code(self) -> httpx.Response:
        return await try_login(self.service, EMAIL, self.password, code=self.app.code(-1))

    async def answer_wrongly(self) -> httpx.Response:
        return await answer(self.service, self.challenges[-1], code=self.app.wrong_code())

    async def answer_with_a_guessed_recovery_code(self) -> httpx.Response:
        return await answer(self.service, self.challenges[-1], recovery_code="7Q2MX-0ZK4D-9HFT3-VWB6N-R811C")

    async def take_the_challenge_for_a_token(self) -> httpx.Response:
        return await self.service.client.put("/api/auth/refresh", headers=bearer(self.challenges[-1]))

    async def use_the_legacy_token(self) -> httpx.Response:
        await get_me(self.service, self.legacy)
        return await put_refresh(self.service, self.legacy)

    async def log_out_by_the_legacy_token(self) -> httpx.Response:
        return await delete_logout(self.service, self.legacy)

    async def reset_the_password_by_mail(self) -> httpx.Response:
        asked = await self.service.client.post("/api/auth/password/reset", json={"email": EMAIL})
        if asked.status_code != 200:
            return asked
        await self.mailbox.all(self.service)  # what it says of earlier ones
        return asked

    async def have_the_password_set(self) -> httpx.Response:
        user_id = (await query(self.service.settings, "SELECT id FROM users WHERE email = $1", EMAIL))[0]["id"]
        new = NEW_PASSWORD if self.password == PASSWORD else PASSWORD
        response = await self.service.client.patch(
            f"/api/users/{user_id}", json={"password": new}, headers=self.root.headers
        )
        self.password = new
        return response

    @property
    def ways(self) -> list[Callable[[], Awaitable[httpx.Response]]]:
        """All of them."""
        return [
            self.log_in, self.log_in_by_form, self.log_in_with_a_cookie, self.log_in_with_a_wrong_code,
            self.log_in_with_the_last_code, self.answer_wrongly, self.answer_with_a_guessed_recovery_code,
            self.take_the_challenge_for_a_token, self.use_the_legacy_token, self.log_out_by_the_legacy_token,
            self.reset_the_password_by_mail, self.have_the_password_set,
        ]  # fmt: skip


@pytest.mark.parametrize("style", ["envelope", "laravel"])
@pytest.mark.parametrize("seed", range(4))
async def test_no_token_of_any_kind_comes_before_it(
    start: Start, clock: Clock, mailbox: Mailbox, seed: int, style: str
) -> None:
    """Ways in random orders; after all of them the owner logs in with the app."""
    throttle = {"throttle_account_failures": 1000}
    plain = await start(**clock.settings(**legacy_settings(), **mailbox.settings(), **throttle))
    login, app = await add_with_app(plain, clock)
    assert login.user_id is not None
    # brought before or after the app was added, and a token of after it: both are no way around
    await take_over(plain.settings, login.user_id)
    await query(plain.settings, "UPDATE takeover_users SET refused_until = 'infinity'")
    root = await administrator(plain)
    service = await start(**clock.settings(**legacy_settings(), **mailbox.settings(), **throttle, response_style=style))
    thief = Thief(service, app, root, legacy_token(login.user_id, age=0), mailbox)
    before = await query(plain.settings, "SELECT count(*) AS n FROM sessions WHERE user_id = $1", login.user_id)
    ways = [*thief.ways, *thief.ways]
    random.Random(seed).shuffle(ways)
    for way in ways:
        response = await way()
        assert not TOKEN.search(response.text), way.__name__
        assert not any(TOKEN.search(value) for value in response.headers.values()), way.__name__
        assert "set-cookie" not in response.headers, way.__name__
    after = await query(plain.settings, "SELECT count(*) AS n FROM sessions WHERE user_id = $1", login.user_id)
    assert after[0]["n"] <= before[0]["n"]
    owner = await try_login(plain, EMAIL, thief.password, code=app.code())
    assert owner.status_code == 200
    assert TOKEN.search(owner.text)


async def test_adding_an_app_ends_the_legacy_tokens_of_before_and_of_after(start: Start, clock: Clock) -> None:
    service = await start(**clock.settings(**legacy_settings()))
    user_id = await add_taken_over(service)
    earlier = legacy_token(user_id)
    assert (await get_me(service, earlier)).status_code == 200
    login = await log_in(service.client)
    await add_app(service, login, clock)
    later = legacy_token(user_id, age=-3)
    for token in (earlier, later):
        assert (await get_me(service, token)).status_code == 401
        assert (await put_refresh(service, token)).status_code == 401
    ended = await service.client.delete("/api/auth/logout?everywhere=true", headers=login.headers)
    assert ended.status_code == 200
    assert (await put_refresh(service, later)).status_code == 401
