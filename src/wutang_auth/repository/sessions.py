"""What is read and written in `sessions`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from wutang_auth.database import Database
from wutang_auth.repository import sql
from wutang_auth.repository.users import UserRecord


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session at this moment, by the database's clock."""

    generation: int
    in_grace: bool
    """Whether the generation before this one is still honoured."""
    has_expired: bool


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a refresh found, after the step if there was one."""

    generation: int
    stepped: bool
    in_grace: bool
    is_disabled: bool
    scopes: list[str]
    lifetime: float
    """Seconds left of the session; not above 0 when it has expired."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A live session, for its owner to look at."""

    id: UUID
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None


class SessionRepository:
    """The `sessions` table."""

    def __init__(self, database: Database, *, ttl: int, grace: int) -> None:
        self._database = database
        self._ttl = timedelta(seconds=ttl)
        self._grace = timedelta(seconds=grace)

    async def create(
        self, *, user_id: int, session_id: UUID, verified_hash: str, ip: str | None, user_agent: str | None
    ) -> bool:
        """Begin a session, unless the password changed or the user was disabled since the hash was read."""
        row = await self._database.fetchrow(
            sql.SESSIONS_CREATE, uid=user_id, sid=session_id, ttl=self._ttl, verified_hash=verified_hash,
            address=ip, agent=user_agent,
        )  # fmt: skip
        return row is not None

    async def read(self, user_id: int, session_id: UUID) -> tuple[SessionState, UserRecord] | None:
        """A session and its user, in one query."""
        row = await self._database.fetchrow(sql.SESSIONS_READ, uid=user_id, sid=session_id, grace=self._grace)
        if row is None:
            return None
        values = tuple(row)
        return SessionState(*values[8:]), UserRecord(*values[:8])

    async def rotate(self, user_id: int, session_id: UUID, generation: int) -> Rotation | None:
        """One step from this generation to the next, if it is the current one; either way, what holds now."""
        row = await self._database.fetchrow(
            sql.SESSIONS_ROTATE, uid=user_id, sid=session_id, given=generation, grace=self._grace
        )
        return None if row is None else Rotation(*row)

    async def end(self, user_id: int, session_id: UUID, *, everywhere: bool = False) -> bool | None:
        """Delete a session, or with it all of its user's; whether it still lived, None if there was none."""
        rows = await self._database.fetch(sql.SESSIONS_END, uid=user_id, sid=session_id, everywhere=everywhere)
        return next((not row["has_expired"] for row in rows if row["id"] == session_id), None)

    async def end_all(self, user_id: int) -> int:
        """Delete every session of a user and count them."""
        return len(await self._database.fetch(sql.SESSIONS_END_ALL, uid=user_id))

    async def list(self, user_id: int) -> list[SessionRecord]:
        """The live sessions of a user, oldest first."""
        return [SessionRecord(*row) for row in await self._database.fetch(sql.SESSIONS_LIST, uid=user_id)]

    async def prune(self, batch: int = 1000) -> int:
        """Delete some sessions past their lifetime; fewer than the batch means that none is left."""
        return len(await self._database.fetch(sql.SESSIONS_PRUNE, batch=batch))
