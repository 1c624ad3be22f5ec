"""Logouts at several instances, and who follows the list of revocations: none is missing, whatever happens."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from support.database import add_sessions
from support.revocations import listed
from support.services import serving
from support.tokens import bearer
from support.users import add_user
from wutang_auth.settings import Settings, load
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens

pytestmark = pytest.mark.no_cover  # servers in processes of their own

THREADS = 8
LONGEST_WAIT = 3.0


class Follower:
    """Polls the instances in turn with the cursor of the last answer, as another service does."""

    def __init__(self, clients: Sequence[httpx.AsyncClient]) -> None:
        self._clients = clients
        self.seen: dict[UUID, float] = {}
        """Sessions, and when each was listed first, by the monotonic clock."""
        self._cursor: str | None = None
        self._turn = 0

    async def poll(self) -> None:
        """Ask once."""
        self._turn += 1
        answer = await listed(self._clients[self._turn % len(self._clients)], self._cursor)
        self._cursor = answer.cursor
        for session_id in answer.sessions:
            self.seen.setdefault(session_id, time.monotonic())

    async def follow(self, done: asyncio.Event) -> None:
        """Ask several times a second until it is done."""
        while not done.is_set():
            await self.poll()
            await asyncio.sleep(0.2)


class Leavers:
    """Threads that log out one session after the other, at the instances in turn."""

    def __init__(self, base_urls: Sequence[str], tokens: dict[UUID, str]) -> None:
        self._base_urls = base_urls
        self._tokens = list(tokens.items())
        self._lock = threading.Lock()
        self.left: dict[UUID, float] = {}
        """Sessions whose logout was answered, and when, by the monotonic clock."""

    def leave(self, thread: int, until: float) -> None:
        """Log out until this time, by the monotonic clock."""
        with httpx.Client(base_url=self._base_urls[thread % len(self._base_urls)], timeout=10) as client:
            while time.monotonic() < until:
                with self._lock:
                    if not self._tokens:
                        return
                    session_id, token = self._tokens.pop()
                try:
                    response = client.delete("/api/auth/logout", headers=bearer(token))
                except httpx.TransportError:
                    return  # killed: whether that one was logged out, nobody promised
                if response.status_code == 200:
                    self.left[session_id] = time.monotonic()


async def logged_in(environment: dict[str, str], number: int) -> dict[UUID, str]:
    """Sessions and an access token of each, of one user."""
    settings = load(
        Settings,
        _env_file=None,
        database_url=environment["WUTANG_DATABASE_URL"],
        keys_file=environment["WUTANG_KEYS_FILE"],
    )
    issuer = Tokens(settings, key_file.load(settings.keys_file))
    user = await add_user(settings)
    return {
        session_id: issuer.issue(
            user_id=user.id, session_id=session_id, generation=0, scopes=[], session_lifetime=86_400
        ).access_token
        for session_id in await add_sessions(settings, user.id, number)
    }


@pytest.mark.parametrize("seconds", [2, pytest.param(20, marks=pytest.mark.long)])
async def test_every_logout_at_two_instances_is_listed_soon(
    environment: dict[str, str], tmp_path: Path, seconds: int
) -> None:
    tokens = await logged_in(environment, 400 * seconds)
    async with (
        serving(environment, tmp_path / "a") as a,
        serving(environment, tmp_path / "b") as b,
        a.client() as at_a,
        b.client() as at_b,
    ):
        follower, leavers = Follower([at_a, at_b]), Leavers([a.base_url, b.base_url], tokens)
        done = asyncio.Event()
        following = asyncio.create_task(follower.follow(done))
        await _leave(leavers, seconds)
        await asyncio.sleep(1)
        done.set()
        await following
        assert len(leavers.left) > 20 * seconds
        assert leavers.left.keys() - follower.seen.keys() == set()
        assert max(follower.seen[session_id] - left_at for session_id, left_at in leavers.left.items()) < LONGEST_WAIT
        everything = await listed(at_b)
        assert leavers.left.keys() - everything.sessions == set()


async def test_what_a_killed_instance_has_answered_the_other_lists(environment: dict[str, str], tmp_path: Path) -> None:
    tokens = await logged_in(environment, 2000)
    async with (
        serving(environment, tmp_path / "a") as a,
        serving(environment, tmp_path / "b") as b,
        b.client() as at_b,
    ):
        follower, leavers = Follower([at_b]), Leavers([a.base_url], tokens)
        await follower.poll()
        leaving = asyncio.create_task(_leave(leavers, 30))
        while len(leavers.left) < 50 and not leaving.done():  # noqa: ASYNC110 -- threads set no event
            await asyncio.sleep(0.01)
        a.kill()
        await leaving
        assert 50 <= len(leavers.left) < len(tokens)
        await asyncio.sleep(0.3)
        await follower.poll()
        assert leavers.left.keys() - follower.seen.keys() == set()


async def _leave(leavers: Leavers, seconds: float) -> None:
    until = time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(THREADS) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, leavers.leave, n, until) for n in range(THREADS)))
