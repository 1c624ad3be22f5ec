"""What `takeover check` says of tokens that a real Laravel application made, and of nearly such ones."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.commands import Outcome, Shell
from support.database import change_users, query
from support.laravel import sha1
from support.legacy import (
    HEADER,
    add_taken_over,
    legacy_claims,
    legacy_environment,
    legacy_token,
    put_refresh,
    sign,
    start_legacy,
)
from support.services import Start
from support.users import add_user, log_in
from wutang_auth.settings import Settings

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "laravel_tokens.json").read_text("utf-8"))
TOKENS = {token["name"]: token["token"] for token in RECORDED["tokens"]}
OLD = "2024-06-01T00:00:00.000000Z"


class Checker:
    def __init__(self, environment: dict[str, str]) -> None:
        self.shell = Shell(environment | legacy_environment())

    async def __call__(self, token: str, *options: str) -> Outcome:
        return await self.shell(" ".join(["takeover check -", *options]), stdin=f"{token}\n")

    async def reason(self, token: str) -> str:
        return (await self(token)).error.removeprefix("the token counts for nothing: ")


@pytest.fixture
def check(environment: dict[str, str]) -> Checker:
    return Checker(environment)


@pytest.mark.parametrize("name", TOKENS)
async def test_recorded_token_gets_the_truth(check: Checker, name: str, database_url: str, tmp_path: Path) -> None:
    """All of them are good until 2034 or later; all but one began in 2024, too long ago for a refresh."""
    users = tmp_path / "users.jsonl"
    users.write_text("".join(json.dumps(user) + "\n" for user in RECORDED["users"]))
    document = (await check.shell(f"takeover users --from {users} --json")).document
    assert (document["created"], document["rejected"]) == (5, 0)
    said = (await check(TOKENS[name])).said.splitlines()
    user_id = int(name.removeprefix("live.user")[0])
    checked = (await check(TOKENS[name], "--json")).document
    assert (checked["user_id"], checked["me"], checked["logout"]) == (user_id, True, True)
    if name == "live.user1.now":
        is_young = time.time() < 1_795_414_841 + 1_209_600
        assert checked["refresh"] is is_young
        return
    assert said == [
        f"user {user_id}, logged in at {OLD}",
        "me, verify: yes",
        "refresh: no, its iat + WUTANG_LEGACY_REFRESH_TTL was 2024-06-15T00:00:00.000000Z",
        "logout: yes",
    ]
    assert checked["why_not"].keys() == {"refresh"}
    await query(database_url, "DELETE FROM users")
    assert await check.reason(TOKENS[name]) == f"user {user_id} was not taken over, or is deleted here"


async def test_token_on_the_blacklist_says_so(check: Checker, tmp_path: Path) -> None:
    users = tmp_path / "users.jsonl"
    users.write_text("".join(json.dumps(user) + "\n" for user in RECORDED["users"]))
    await check.shell(f"takeover users --from {users}")
    name = sha1("0Rpyi4Xlidt18HaC").hex()
    (tmp_path / name).write_text('2000000000a:1:{s:11:"valid_until";i:1700000000;}')
    await check.shell(f"takeover revocations --from {tmp_path}")
    assert await check.reason(TOKENS["live.user1"]) == "it is on the blacklist that was taken over"
    assert (await check(TOKENS["live.user2"])).code == 0


async def test_token_of_a_user_who_counts_no_more_says_so(check: Checker, start: Start) -> None:
    service = await start_legacy(start)
    user_id = await add_taken_over(service)
    token = legacy_token(user_id)
    assert "refresh: yes" in (await check(token)).said
    await change_users(service.settings, disabled_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert await check.reason(token) == f"user {user_id} is disabled since 2026-01-02T00:00:00.000000Z"
    await change_users(service.settings, disabled_at=None)
    assert (await check.shell("sessions revoke ada@wutang.example")).code == 0
    assert await check.reason(token) == f"all sessions of user {user_id} were ended since it was issued"


async def test_token_that_became_a_session_says_so(check: Checker, start: Start) -> None:
    service = await start_legacy(start)
    token = legacy_token(await add_taken_over(service))
    assert (await put_refresh(service, token)).status_code == 200
    assert await check.reason(token) == "it became a session, which goes on with our tokens"
    await query(service.settings, "DELETE FROM sessions")
    assert await check.reason(token) == "it became a session, which has ended"


async def test_stranger_with_the_same_id_says_so(check: Checker, settings: Settings) -> None:
    user = await add_user(settings)
    assert await check.reason(legacy_token(user.id)) == f"user {user.id} was not taken over, or is deleted here"


NEARLY = {
    "nothing": ("", "it is no token as jwt-auth makes them"),
    "a word": ("Bearer", "it is no token as jwt-auth makes them"),
    "another secret": (
        sign(HEADER, legacy_claims(1), secret="x" * 64),
        "its signature was not made with WUTANG_LEGACY_SECRET",
    ),
    "another algorithm": (sign({"typ": "JWT", "alg": "HS512"}, legacy_claims(1)), "its algorithm is not HS256"),
    "no exp": (sign(HEADER, legacy_claims(1, exp=...)), "it has no exp, which jwt-auth would pass over"),
    "no jti": (sign(HEADER, legacy_claims(1, jti=...)), "it has no jti, which jwt-auth would pass over"),
    "no sub": (sign(HEADER, legacy_claims(1, sub=...)), "it has no sub, which jwt-auth would pass over"),
    "another model": (
        sign(HEADER, legacy_claims(1, prv="0" * 40)),
        "its prv is of none of the models in WUTANG_LEGACY_MODELS",
    ),
    "a clock an hour ahead": (
        sign(HEADER, legacy_claims(1, age=-3600)),
        "its iat or nbf lies ahead of the clock of this machine; one of two clocks may be wrong",
    ),
    "long ago": (
        sign(HEADER, legacy_claims(1, age=90 * 86_400)),
        "it is past its exp, and past its iat + WUTANG_LEGACY_REFRESH_TTL",
    ),
    "a kid": (sign(HEADER | {"kid": "a"}, legacy_claims(1)), "its header has a kid, so that it is no legacy token"),
}  # fmt: skip


@pytest.mark.parametrize("name", NEARLY)
async def test_token_that_is_nearly_one_says_why_not(check: Checker, name: str) -> None:
    token, reason = NEARLY[name]
    assert await check.reason(token) == reason
    assert not token or token not in (await check(token)).stderr


async def test_token_of_ours_says_so(check: Checker, start: Start) -> None:
    service = await start_legacy(start)
    await add_user(service.settings)
    login = await log_in(service.client)
    assert await check.reason(login.access_token) == "its header has a kid, so that it is no legacy token"


async def test_gate_that_is_shut_is_told(environment: dict[str, str]) -> None:
    error = (await Shell(environment)(f"takeover check {TOKENS['live.user1']}")).error
    assert error == "WUTANG_LEGACY_SECRET is not set: no legacy token counts"
    over = environment | legacy_environment() | {"WUTANG_LEGACY_UNTIL": "2026-01-01"}
    error = (await Shell(over)(f"takeover check {TOKENS['live.user1']}")).error
    assert error.startswith("WUTANG_LEGACY_UNTIL was 2026-01-01")
