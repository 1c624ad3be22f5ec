"""RESPONSE_STYLE=laravel: what a Laravel application with jwt-auth was recorded to answer, and what is answered here.

The users, their passwords and the secret of the records are machine-made. Times are moved to now, all by the same.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from support.database import query
from support.http import assert_refused, success
from support.legacy import add_taken_over, get_me, legacy_token, put_refresh, sign, start_legacy, take_over
from support.services import Instance, Start
from support.tokens import bearer, claims_of, header_of
from support.users import CREDENTIALS
from wutang_auth.settings import Settings
from wutang_auth.tokens.legacy import LegacyClaims, LegacyGate

RECORDS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "support" / "laravel_records.json").read_text("utf-8")
)
RECORDED_AT: int = RECORDS["recorded_at"]
FORM = "email=ada%40example.com&password=correct+horse+battery+staple"

# an application may have refresh and logout outside of its guard; the paths here are those of the guarded ones
OPEN_PATHS = {"/api/open/refresh": "/api/auth/refresh", "/api/open/logout": "/api/auth/logout"}

DIFFERENCES: dict[str, tuple[int, str]] = {
    "login.no-fields": (422, "what is not understood is told, with the fields that are to blame"),
    "login.get": (405, "a wrong method is answered in the envelope"),
    "me.post": (405, "a wrong method is answered in the envelope"),
    "refresh.old.me": (200, "the answer to the refresh may be lost: the old token counts until the new one is used"),
    "refresh.beyond.open": (401, "a token that is too old is no bug of the service"),
}


class Replay:
    """The requests of one application in their order, with tokens of now."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._later = int(time.time()) - RECORDED_AT
        self._tokens: dict[str, str] = {}

    async def answer(self, exchange: dict[str, Any]) -> httpx.Response:
        """The answer to a recorded request."""
        request = exchange["request"]
        headers = dict(request["headers"])
        if "Authorization" in headers:
            headers |= bearer(self._token(headers["Authorization"].removeprefix("Bearer ")))
        body = request["body"]
        if exchange["id"] == "login.ok.form":  # the records have forms without their content
            body, headers["Content-Type"] = FORM, "application/x-www-form-urlencoded"
        answer = await self.instance.client.request(
            request["method"], OPEN_PATHS.get(request["path"], request["path"]), headers=headers, content=body
        )
        if "access_token" in exchange["body"] and answer.status_code == 200:
            self._tokens[exchange["body"]["access_token"]] = answer.json()["access_token"]
        return answer

    def _token(self, recorded: str) -> str:
        """What stands for a recorded token: the one that was answered here, or the same as if it were made now."""
        if recorded not in self._tokens:
            claims = claims_of(recorded)
            times = {name: claims[name] + self._later for name in ("iat", "exp", "nbf")}
            self._tokens[recorded] = sign(header_of(recorded), claims | times)
        return self._tokens[recorded]


async def bring_users(instance: Instance) -> None:
    """The recorded users, as `takeover users` brings them."""
    for user in RECORDS["users"]:
        await query(
            instance.settings,
            "INSERT INTO users (id, email, canonical_email, name, email_verified_at, password_hash, created_at,"
            " updated_at) VALUES ($1, $2, lower($2), $3, $4, $5, $6, $7)",
            user["id"], user["email"], user["name"], _time(user["email_verified_at"]), user["password"],
            _time(user["created_at"]), _time(user["updated_at"]),
        )  # fmt: skip
        await take_over(instance.settings, user["id"])


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def without_tokens(body: Any) -> Any:
    return body | {"access_token": "…"} if "access_token" in body else body


@pytest.mark.parametrize("application", ["laravel11", "laravel8"])
async def test_recorded_requests_are_answered_as_recorded_but_for_named_differences(
    start: Start, application: str
) -> None:
    service = await start_legacy(
        start, response_style="laravel", legacy_secret=SecretStr(RECORDS["secret"]), refresh_grace=0
    )
    await bring_users(service)
    replay = Replay(service)
    found = {}
    for exchange in RECORDS[application]:
        answer = await replay.answer(exchange)
        same = (exchange["status"], without_tokens(exchange["body"]))
        if (answer.status_code, without_tokens(answer.json())) != same:
            found[exchange["id"]] = answer.status_code
    ids = {exchange["id"] for exchange in RECORDS[application]}
    assert found == {name: status for name, (status, _why) in DIFFERENCES.items() if name in ids}


async def test_recorded_tokens_pass_the_gate_as_they_are(settings: Settings) -> None:
    known = settings.model_copy(
        update={"legacy_secret": SecretStr(RECORDS["secret"]), "legacy_until": datetime.fromtimestamp(2**31, UTC)}
    )
    gate = LegacyGate(known, clock_skew=5, clock=lambda: RECORDED_AT + 60)
    tokens = [recorded["token"] for recorded in RECORDS["tokens"]]
    assert len(tokens) == 8
    assert all(gate.takes(token) and isinstance(gate.verify(token), LegacyClaims) for token in tokens)


async def test_everything_else_stays_in_the_envelope(start: Start) -> None:
    service = await start_legacy(start, response_style="laravel")
    user_id = await add_taken_over(service)
    client = service.client
    login = await client.post("/api/auth/login", json=CREDENTIALS)
    assert set(login.json()) == {"access_token", "token_type", "expires_in"}
    headers = bearer(login.json()["access_token"])
    assert (await client.get("/api/auth/sessions", headers=headers)).json()["code"] == 20001
    assert (await client.get("/api/response_code")).json()["code"] == 20001
    assert_refused(await client.get("/api/auth/sessions"), 401, 40001)
    assert_refused(await client.patch("/api/auth/me", json={"name": "Ada"}), 401, 40001)
    renamed = await client.patch("/api/auth/me", json={"name": "Ada"}, headers=headers)
    assert success(renamed)["scopes"] == []
    assert_refused(await client.get("/api/users", headers=headers), 403, 40003)
    assert_refused(await client.get("/api/auth/verify"), 401, 40001)
    assert_refused(await client.post("/api/auth/login", json={}), 422, 10001)
    assert_refused(await client.get("/api/nothing"), 404, 40004)
    refused = await get_me(service, legacy_token(user_id, age=7200))
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthenticated."})
    assert refused.headers["www-authenticate"].startswith('Bearer realm="wutang-auth", error="invalid_token"')
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["content-type"] == "application/json"


async def test_a_client_with_one_token_goes_on_from_there_to_here_and_on(start: Start) -> None:
    service = await start_legacy(start, response_style="laravel", legacy_mint=True)
    token = legacy_token(await add_taken_over(service))
    for _ in range(3):
        answer = (await put_refresh(service, token)).json()
        assert set(answer) == {"access_token", "token_type", "expires_in"}
        token = answer["access_token"]
        assert set((await get_me(service, token)).json()) == {
            "id", "name", "email", "email_verified_at", "created_at", "updated_at",
        }  # fmt: skip
        assert header_of(token)["kid"] == "legacy"
