"""What is read and written in `revocations`, and the SQL by which other statements write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from wutang_auth.database import Database, Statement, reader
from wutang_auth.repository.pruning import delete_dead

WHOLE_USER: Final = UUID(int=0)
"""Stands where a session's id does if a revocation is about all tokens of a user up to then."""

# other machines' clocks lie behind ours, and to them the token lives a little longer
_EXPIRES: Final = "+ interval '10 seconds'"
# SECURITY: the clock is read when the row is written, not when its transaction began: between that and the commit there
# is no wait for a lock any more, so that whoever follows the table by this time finds it within the time limit of a
# statement
_WRITTEN: Final = "clock_timestamp()"
_AGAIN: Final = """ON CONFLICT (user_id, session_id) DO UPDATE
        SET revoked_at = excluded.revoked_at, expires_at = greatest(revocations.expires_at, excluded.expires_at)"""

REVOKED: Final = f"""revoked AS (
        INSERT INTO revocations (user_id, session_id, revoked_at, expires_at)
        SELECT ended.user_id, ended.id, {_WRITTEN}, ended.access_expires_at {_EXPIRES}
        FROM ended
        WHERE ended.access_expires_at {_EXPIRES} > now()
        {_AGAIN}
    )"""
"""SQL: the common table expression that revokes the sessions of another one, `ended`.

That deletes from `sessions` and returns at least `user_id`, `id` and `access_expires_at`.
"""


def scopes_taken(condition: str, *, joined: str = "") -> str:
    """SQL: the common table expression that revokes the tokens of the users for whom a condition holds.

    The condition is on `users` as they are before the statement, and on what else is joined to them.

    SECURITY: a statement before it in the transaction has locked the user's row FOR UPDATE. Whoever makes tokens locks
    it too, so that every token with the older scopes has an earlier `iat`, and its session is seen here.
    """
    return f"""revoked AS (
        INSERT INTO revocations (user_id, session_id, revoked_at, expires_at)
        SELECT sessions.user_id, '{WHOLE_USER}'::uuid, {_WRITTEN}, max(sessions.access_expires_at) {_EXPIRES}
        FROM sessions JOIN users ON users.id = sessions.user_id {joined}
        WHERE {condition}
        GROUP BY sessions.user_id
        {_AGAIN}
    )"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A session that has ended, or a user of whom earlier tokens count no more."""

    user_id: int
    session_id: UUID
    """WHOLE_USER: all sessions, as far as their tokens were made before."""
    revoked_at: datetime
    expires_at: datetime
    """When the last access token concerned has expired, everywhere."""


_revocation = reader(Revocation)


class RevocationRepository:
    """The `revocations` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # the first row is the time before the others are looked at; in one statement that is one round trip
    RECENT = Statement(f"""
        SELECT 0 AS user_id, '{WHOLE_USER}'::uuid AS session_id, now() AS revoked_at, now() AS expires_at
        UNION ALL
        SELECT user_id, session_id, revoked_at, expires_at
        FROM revocations
        WHERE revoked_at > now() - $window::interval AND expires_at > now()
    """)

    async def recent(self, window: timedelta) -> tuple[datetime, list[Revocation]]:
        """The revocations written within the time before now, and now: what is not among them, is committed later."""
        rows = await self._database.fetch(self.RECENT, window=window)
        now = next(row["revoked_at"] for row in rows if row["user_id"] == 0)
        return now, [_revocation(row) for row in rows if row["user_id"] != 0]

    PAGE = Statement("""
        SELECT user_id, session_id, revoked_at, expires_at
        FROM revocations
        WHERE (user_id, session_id) > ($user_id, $session_id) AND expires_at > now()
        ORDER BY user_id, session_id
        LIMIT $limit
    """)

    async def page(self, after: tuple[int, UUID], limit: int) -> Sequence[Revocation]:
        """The live revocations that follow this key, at most `limit`."""
        user_id, session_id = after
        rows = await self._database.fetch(self.PAGE, user_id=user_id, session_id=session_id, limit=limit)
        return [_revocation(row) for row in rows]

    WRITE_AGAIN = Statement(f"""
        UPDATE revocations SET revoked_at = {_WRITTEN}
        FROM unnest($user_ids::bigint[], $session_ids::uuid[]) AS late (user_id, session_id)
        WHERE revocations.user_id = late.user_id AND revocations.session_id = late.session_id
        RETURNING revocations.session_id
    """)

    async def write_again(self, keys: Sequence[tuple[int, UUID]]) -> None:
        """Let these be new to whoever follows the table; of a whole user, tokens made until now are revoked then."""
        user_ids, session_ids = zip(*keys, strict=True)
        await self._database.fetch(self.WRITE_AGAIN, user_ids=user_ids, session_ids=session_ids)

    PRUNE = Statement(delete_dead("revocations", "user_id, session_id", "expires_at <= now()"))

    async def prune(self, batch: int = 1000) -> int:
        """Delete some revocations whose tokens have all expired; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, batch=batch))
