"""Clients of the old kind: they hold one token, refresh it in time, and know nothing of a takeover."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

PASSWORD = "hunter2!"
_THINK_SECONDS = 0.2
_RETRIES = 100


@dataclass(slots=True)
class Dead:
    """A token that must not count any more."""

    token: str
    since: float
    by_logout: bool


@dataclass
class Crowd:
    """What all of them saw, and what they need not know but for their own judgement."""

    token_ttl: float
    side: str = "laravel"
    switched_at: float = 0.0
    imported_at: float = 0.0
    """When the last import of revocations began."""
    requests: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    """Refusals and failures by side and status."""
    lost: int = 0
    """Requests without an answer, which were sent again."""
    logged_out: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    """Dead tokens that were let in."""
    refreshes: Counter[str] = field(default_factory=Counter)
    logouts: int = 0
    probes: int = 0
    stopped: bool = False


class Client:
    """One user with one token."""

    def __init__(self, crowd: Crowd, base_url: str, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._http = httpx.AsyncClient(base_url=base_url, timeout=20)
        self._random = random.Random(number)
        self._token = ""
        self._refresh_at = 0.0
        self._dead: list[Dead] = []

    async def run(self) -> None:
        """Do what users do until the crowd is stopped."""
        async with self._http:
            await self._log_in()
            while not self._crowd.stopped:
                await asyncio.sleep(self._random.uniform(0.2, 1.8) * _THINK_SECONDS)
                await self._act()

    async def _act(self) -> None:
        if time.monotonic() >= self._refresh_at:
            await self._refresh()
        elif self._random.random() < 0.01:
            await self._log_out()
        elif self._dead and self._random.random() < 0.15:
            await self._probe(self._random.choice(self._dead[-20:]))
        else:
            response = await self._send("GET", "/api/auth/me", self._token)
            if response.status_code == 200:
                assert response.json()["id"] == self._number
            elif response.status_code == 401:
                await self._note_logged_out("me")

    async def _log_in(self) -> None:
        credentials = {"email": f"user{self._number}@shop.example", "password": PASSWORD}
        response = await self._send("POST", "/api/auth/login", json=credentials)
        assert response.status_code == 200, response.text
        self._take(response)

    async def _refresh(self) -> None:
        crowd, old, side = self._crowd, self._token, self._crowd.side
        response = await self._send("PUT", "/api/auth/refresh", old)
        if response.status_code != 200:
            await self._note_logged_out("refresh")
            return
        crowd.refreshes[side] += 1
        self._take(response)
        # what this service replaced is good there for a while: only what Laravel itself has replaced is dead everywhere
        if side == crowd.side == "laravel" and time.monotonic() - crowd.switched_at > 2:
            self._dead.append(Dead(old, time.monotonic(), by_logout=False))

    async def _log_out(self) -> None:
        response = await self._send("DELETE", "/api/auth/logout", self._token)
        if response.status_code != 200:
            await self._note_logged_out("logout")
            return
        self._crowd.logouts += 1
        self._dead.append(Dead(self._token, time.monotonic(), by_logout=True))
        await self._log_in()

    async def _probe(self, dead: Dead) -> None:
        crowd = self._crowd
        if not dead.by_logout and crowd.side == "wutang" and dead.since > crowd.imported_at:
            return
        crowd.probes += 1
        response = await self._send("GET", "/api/auth/me", dead.token, expected=401)
        if response.status_code == 200:
            how = "logout" if dead.by_logout else "refresh"
            crowd.accepted.append(f"{crowd.side}: a token {time.monotonic() - dead.since:.1f} s after its {how}")

    async def _note_logged_out(self, what: str) -> None:
        since = time.monotonic() - self._crowd.switched_at
        self._crowd.logged_out.append(
            f"user {self._number} at {what}, {self._crowd.side}, {since:.1f} s after the switch"
        )
        await self._log_in()

    def _take(self, response: httpx.Response) -> None:
        self._token = response.json()["access_token"]
        self._refresh_at = time.monotonic() + self._random.uniform(0.3, 0.6) * self._crowd.token_ttl

    async def _send(
        self, method: str, path: str, token: str = "", *, expected: int = 200, json: object = None
    ) -> httpx.Response:
        """An answer, be it to the second or a later try: gateways restart and networks fail."""
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        for _ in range(_RETRIES):
            self._crowd.requests += 1
            try:
                response = await self._http.request(method, path, headers=headers, json=json)
            except httpx.TransportError:
                self._crowd.lost += 1
            else:
                if response.status_code != expected:
                    self._crowd.statuses[f"{self._crowd.side} {response.status_code}"] += 1
                if response.status_code not in (429, 500, 502, 503, 504):
                    return response
            await asyncio.sleep(0.1)
        raise AssertionError(f"no answer to {method} {path}")
