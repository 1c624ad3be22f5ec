"""What every contender's database is filled with. Standard library and asyncpg only: several environments run it."""

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncpg


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to make, and where."""

    url: str
    """The contender's own database, empty, as `postgresql://…`."""
    directory: Path
    """Where its tokens go; `keys.json` of the service too."""
    private_key: Path
    """The ES256 key of the peers, as PEM; `private_key.pub` beside it is the public one."""
    users: int
    password_hash: str
    """argon2id, the same for every user: verifying costs the same, and 100,000 different ones would take an hour."""
    access_tokens: int
    """Tokens that `/me` is asked with again and again, each of another user."""
    fresh_tokens: int
    """Tokens for `/me` of which each is seen for the first time, or was forgotten since."""
    refresh_tokens: int
    sessions: int = 0
    """In the service's database; 0: one for each user."""

    @classmethod
    def load(cls) -> "Plan":
        """The plan of this process."""
        given = json.loads(os.environ["BENCH_PLAN"])
        return cls(**{**given, "directory": Path(given["directory"]), "private_key": Path(given["private_key"])})

    def refresh_users(self) -> list[int]:
        """The users whose refresh tokens are used."""
        return self._shuffled()[: self.refresh_tokens]

    def access_users(self) -> list[int]:
        """The users whose access tokens are used again and again, at random places of the table."""
        return self._shuffled()[self.refresh_tokens :][: self.access_tokens]

    def _shuffled(self) -> list[int]:
        users = list(range(1, self.users + 1))
        random.Random(1).shuffle(users)
        return users

    def write(self, name: str, lines: Iterable[str]) -> None:
        """Hand something to the load generator, one a line."""
        (self.directory / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def email(user: int) -> str:
    """The e-mail of the user with this number, from 1."""
    return f"user{user}@bench.example"


def in_database(plan: Plan, work: Callable[["asyncpg.Connection"], Awaitable[None]]) -> None:
    """Do this on a connection to the contender's database."""

    async def run() -> None:
        connection = await asyncpg.connect(plan.url)
        try:
            await work(connection)
        finally:
            await connection.close()

    asyncio.run(run())
