"""What was taken over, and how far that is."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from wutang_auth.database import Database, Statement, reader
from wutang_auth.repository.takeover.tokens import RevokedTokens
from wutang_auth.repository.takeover.users import Takeover


@dataclass(frozen=True, slots=True)
class Run:
    """The last time that users or revocations were brought."""

    finished_at: datetime
    rows: int
    rejected: int


@dataclass(frozen=True, slots=True)
class TakeoverStatus:
    """How far the takeover is."""

    users: int
    """Those who were taken over and are here."""
    seen: int
    """Those of them of whom a legacy token was seen at all."""
    seen_last_day: int
    seen_last_week: int
    last_seen_at: datetime | None
    adopted: int
    """Legacy tokens that became sessions, as far as they are still known."""
    adopted_last_day: int
    revoked: int
    """Legacy tokens that are known as revoked, there or here."""
    users_run: Run | None
    revocations_run: Run | None

    @property
    def not_taken_over(self) -> int | None:
        """Users who were there at the last run and could not be taken over; None: there was no run."""
        return None if self.users_run is None else self.users_run.rejected


_run = reader(Run)


class TakeoverRepository:
    """What was taken over: users, and tokens that are revoked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Takeover]:
        """A takeover of users, which commits at the end of the block; not at all if the block raises.

        Raises:
            TakeoverRunning: another one goes on.
        """
        async with self._database.connection() as raw, raw.transaction():
            takeover = Takeover(raw)
            await takeover.begin()
            yield takeover

    async def revoke(self, tokens: AsyncIterable[tuple[bytes, datetime | None]], *, refresh_ttl: timedelta) -> int:
        """Refuse these tokens from now on and count those that were not known.

        Args:
            tokens: The SHA-1 of each `jti`, and when its store forgets it; None: never.
            refresh_ttl: How long a token can be refreshed after it was made.
        """
        async with self._database.connection() as raw, raw.transaction():
            return await RevokedTokens(raw).add(tokens, refresh_ttl)

    STATUS = Statement("""
        SELECT
            count(*) AS users,
            count(taken.legacy_seen_at) AS seen,
            count(*) FILTER (WHERE taken.legacy_seen_at > now() - interval '1 day') AS seen_last_day,
            count(*) FILTER (WHERE taken.legacy_seen_at > now() - interval '7 days') AS seen_last_week,
            max(taken.legacy_seen_at) AS last_seen_at
        FROM takeover_users AS taken JOIN users ON users.id = taken.user_id
    """)

    TOKENS = Statement("""
        SELECT
            count(*) FILTER (WHERE reason = 'adopted') AS adopted,
            count(*) FILTER (WHERE reason = 'adopted' AND created_at > now() - interval '1 day') AS adopted_last_day,
            count(*) FILTER (WHERE reason <> 'adopted') AS revoked
        FROM legacy_tokens
        WHERE expires_at > now()
    """)

    RUNS = Statement("SELECT kind, finished_at, rows, rejected FROM takeover_runs")

    async def status(self) -> TakeoverStatus:
        """How far the takeover is."""
        [users] = await self._database.fetch(self.STATUS)
        [tokens] = await self._database.fetch(self.TOKENS)
        runs = {row["kind"]: _run(row) for row in await self._database.fetch(self.RUNS)}
        return TakeoverStatus(**users, **tokens, users_run=runs.get("users"), revocations_run=runs.get("revocations"))
