"""Several instances on one database: what one of them promised, the others keep."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from support.database import add_sessions, generations_of
from support.http import assert_refused, success
from support.services import Process, serving
from support.tokens import bearer
from support.users import Login, add_user, log_in, token_pair
from wutang_auth.settings import Settings, load
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens

pytestmark = pytest.mark.no_cover  # servers in processes of their own


@asynccontextmanager
async def replicas(environment: dict[str, str], logs: Path) -> AsyncIterator[tuple[httpx.AsyncClient, ...]]:
    """Clients of two servers in processes of their own, on one database."""
    async with (
        serving(environment, logs / "a") as a,
        serving(environment, logs / "b") as b,
        a.client() as at_a,
        b.client() as at_b,
    ):
        yield at_a, at_b


async def test_parallel_refreshes_over_two_replicas_step_once(environment: dict[str, str], tmp_path: Path) -> None:
    """50 at once, 20 rounds: one new generation each round, and the tokens of every answer are good."""
    await add_user(environment["WUTANG_DATABASE_URL"])
    async with replicas(environment, tmp_path) as clients:
        login = await log_in(clients[0])
        for round_ in range(1, 21):
            answers = await asyncio.gather(
                *(clients[n % 2].put("/api/auth/refresh", headers=bearer(login.refresh_token)) for n in range(50))
            )
            pairs = [token_pair(answer) for answer in answers]
            assert {pair.generation for pair in pairs} == {round_}
            assert len({pair.refresh_token for pair in pairs}) == 50
            assert await generations_of(environment["WUTANG_DATABASE_URL"]) == [round_]
            seen = await asyncio.gather(
                # all of them in the first and the last round, every tenth in between
                *(
                    clients[n % 2].get("/api/auth/me", headers=pair.headers)
                    for n, pair in enumerate(pairs)
                    if round_ in (1, 20) or n % 10 == round_ % 10
                )
            )
            for answer in seen:
                success(answer)
            login = pairs[round_]


async def test_logout_on_one_replica_holds_on_the_other_at_the_first_try(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with replicas(environment, tmp_path) as clients:
        for round_, login in enumerate(await sessions(environment, 200)):
            here, there = clients[round_ % 2], clients[1 - round_ % 2]
            success(await there.get("/api/auth/me", headers=login.headers))
            success(await here.delete("/api/auth/logout", headers=login.headers))
            assert_refused(await there.get("/api/auth/me", headers=login.headers), 401, 40001)


async def test_refresh_on_one_replica_is_known_on_the_other(environment: dict[str, str], tmp_path: Path) -> None:
    async with replicas({**environment, "WUTANG_REFRESH_GRACE": "0"}, tmp_path) as (here, there):
        for login in await sessions(environment, 20):
            newest = token_pair(await here.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
            success(
                await there.get("/api/auth/me", headers=newest.headers)
            )  # from the first use on the old one is dead
            assert_refused(await there.get("/api/auth/me", headers=login.headers), 401, 40001)
            assert_refused(await there.put("/api/auth/refresh", headers=bearer(login.refresh_token)), 401, 40001)
            assert_refused(await here.get("/api/auth/me", headers=newest.headers), 401, 40001)


async def test_acknowledged_logouts_survive_kill_9(environment: dict[str, str], tmp_path: Path) -> None:
    logins = await sessions(environment, 300)
    acknowledged: list[Login] = []
    async with serving(environment, tmp_path / "killed") as process, process.client() as client:

        async def log_out(login: Login) -> None:
            with suppress(httpx.TransportError):
                success(await client.delete("/api/auth/logout", headers=login.headers))
                acknowledged.append(login)
                if len(acknowledged) == 100:
                    process.kill()

        await asyncio.gather(*(log_out(login) for login in logins))
        assert await process.process.wait() == -signal.SIGKILL
    assert 100 <= len(acknowledged) < 300
    async with serving(environment, tmp_path / "next") as process, process.client() as client:
        for login in acknowledged:
            assert_refused(await client.get("/api/auth/me", headers=login.headers), 401, 40001)
            assert_refused(await client.put("/api/auth/refresh", headers=bearer(login.refresh_token)), 401, 40001)
        others = [login for login in logins if login not in acknowledged]
        answers = await asyncio.gather(*(client.get("/api/auth/me", headers=login.headers) for login in others))
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert any(answer.status_code == 200 for answer in answers)


async def test_workers_of_one_server_know_of_each_others_logouts(environment: dict[str, str], tmp_path: Path) -> None:
    logins = await sessions(environment, 20)
    async with serving(environment, tmp_path / "log", "--workers", "2") as process:
        assert len(children(process)) >= 2
        for login in logins:
            # a connection each, so that the workers share them out
            async with process.client() as here, process.client() as there:
                success(await there.get("/api/auth/me", headers=login.headers))
                success(await here.delete("/api/auth/logout", headers=login.headers))
                assert_refused(await there.get("/api/auth/me", headers=login.headers), 401, 40001)
        assert await process.terminate() == 0


def children(process: Process) -> list[int]:
    listed = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


async def sessions(environment: dict[str, str], number: int) -> list[Login]:
    """Sessions as logins begin them, without the time for hashing: rows, and tokens signed with the service's key."""
    url = environment["WUTANG_DATABASE_URL"]
    user = await add_user(url)
    settings = load(Settings, _env_file=None, database_url=url, keys_file=environment["WUTANG_KEYS_FILE"])
    tokens = Tokens(settings, key_file.load(settings.keys_file))
    issued = [
        tokens.issue(user_id=user.id, session_id=session_id, generation=0, scopes=[], session_lifetime=86_400)
        for session_id in await add_sessions(url, user.id, number)
    ]
    return [Login(pair.access_token, pair.refresh_token, user.id) for pair in issued]
