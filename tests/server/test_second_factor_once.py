"""A code works once, however many try it at the same time, wherever they do."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from support.database import count_sessions, query
from support.factors import Clock, add_with_app
from support.http import assert_refused
from support.services import Start, serving
from support.users import token_pair
from wutang_auth.database import Database
from wutang_auth.repository import ChallengeRepository

pytestmark = pytest.mark.no_cover  # servers in processes of their own

ROUNDS, AT_ONCE = 20, 50


async def open_challenges(clock: Clock, user_id: int, number: int) -> list[str]:
    """As many logins whose password was right; hashing that many would take the longest time of all."""
    [row] = await query(clock.target, "SELECT password_hash FROM users WHERE id = $1", user_id)
    database = Database(clock.settings()["database_url"].get_secret_value())
    challenges = [f"{clock.step}-{place}" for place in range(number)]
    for challenge in challenges:
        digest, ttl = sha256(challenge.encode()).digest(), timedelta(seconds=300)
        asked = await ChallengeRepository(database).ask(
            digest, user_id=user_id, verified_hash=row["password_hash"], ttl=ttl
        )
        assert asked
    await database.close()
    return challenges


async def test_parallel_logins_with_one_code_over_two_replicas_begin_one_session(
    start: Start, clock: Clock, environment: dict[str, str], tmp_path: Path
) -> None:
    """50 at once, 20 rounds: one session each."""
    settings = clock.settings()
    local = await start(**settings)
    login, app = await add_with_app(local, clock)
    assert login.user_id is not None
    shared = environment | {
        "WUTANG_DATABASE_URL": settings["database_url"].get_secret_value(),
        "WUTANG_MFA": "optional",
        "WUTANG_THROTTLE_ACCOUNT_FAILURES": "100",
        "WUTANG_THROTTLE_ADDRESS_FAILURES": "100000",
    }
    async with (
        serving(shared, tmp_path / "a") as a,
        serving(shared, tmp_path / "b") as b,
        a.client() as at_a,
        b.client() as at_b,
    ):
        clients = (at_a, at_b)
        for _ in range(ROUNDS):
            before = await count_sessions(clock.target)
            challenges = await open_challenges(clock, login.user_id, AT_ONCE)
            answers = await asyncio.gather(
                *(
                    clients[place % 2].post("/api/auth/login/second", json={"challenge": challenge, "code": app.code()})
                    for place, challenge in enumerate(challenges)
                )
            )
            let_in = [answer for answer in answers if answer.status_code == 200]
            assert len(let_in) == 1
            token_pair(let_in[0])
            for answer in answers:
                if answer is not let_in[0]:
                    assert_refused(answer, 401, 10003)
            assert await count_sessions(clock.target) == before + 1
            await clock.advance()
