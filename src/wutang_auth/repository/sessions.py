"""The statements on `sessions`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Double,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)  # fmt: skip
from sqlmodel import col

from wutang_auth.database import Database, Statement
from wutang_auth.models import Session, User
from wutang_auth.repository.users import USER_COLUMNS, UserRecord


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


_this_session = and_(col(Session.user_id) == bindparam("uid"), col(Session.id) == bindparam("sid", type_=Uuid()))
_lives = col(Session.expires_at) > func.now()
_in_grace = (col(Session.rotated_at) + bindparam("grace", type_=Interval()) > func.now()).label("in_grace")


class SessionRepository:
    """The `sessions` table."""

    def __init__(self, database: Database, *, ttl: int, grace: int) -> None:
        self._database = database
        self._ttl = timedelta(seconds=ttl)
        self._grace = timedelta(seconds=grace)

    # SECURITY: only if the password just verified is still the user's, and the row is held against a change meanwhile
    _CREATE = Statement(
        insert(Session)
        .from_select(
            ["user_id", "id", "expires_at", "ip", "user_agent"],
            select(
                col(User.id),
                bindparam("sid", type_=Uuid()),
                func.now() + bindparam("ttl", type_=Interval()),
                bindparam("address", type_=Text()),
                bindparam("agent", type_=Text()),
            )
            .where(
                col(User.id) == bindparam("uid"),
                col(User.password_hash) == bindparam("verified_hash"),
                col(User.disabled_at).is_(None),
            )
            .with_for_update(read=True),
        )
        .returning(col(Session.generation))
    )

    async def create(
        self, *, user_id: int, session_id: UUID, verified_hash: str, ip: str | None, user_agent: str | None
    ) -> bool:
        """Begin a session, unless the password changed or the user was disabled since the hash was read."""
        row = await self._database.fetchrow(
            self._CREATE, uid=user_id, sid=session_id, ttl=self._ttl, verified_hash=verified_hash,
            address=ip, agent=user_agent,
        )  # fmt: skip
        return row is not None

    _READ = Statement(
        select(
            *USER_COLUMNS,
            col(Session.generation),
            _in_grace,
            (col(Session.expires_at) <= func.now()).label("has_expired"),
        )
        .join(User, col(User.id) == Session.user_id)
        .where(_this_session)
    )

    async def read(self, user_id: int, session_id: UUID) -> tuple[SessionState, UserRecord] | None:
        """A session and its user, in one query."""
        row = await self._database.fetchrow(self._READ, uid=user_id, sid=session_id, grace=self._grace)
        if row is None:
            return None
        values = tuple(row)
        return SessionState(*values[8:]), UserRecord(*values[:8])

    _may_step = and_(col(Session.generation) == bindparam("given"), _lives, col(User.disabled_at).is_(None))
    _ROTATE = Statement(
        update(Session)
        .where(_this_session, col(User.id) == Session.user_id)
        .values(
            generation=case((_may_step, col(Session.generation) + 1), else_=col(Session.generation)),
            rotated_at=case((_may_step, func.now()), else_=col(Session.rotated_at)),
        )
        .returning(
            col(Session.generation),
            (col(Session.rotated_at) == func.now()).label("stepped"),
            _in_grace,
            col(User.disabled_at).isnot(None).label("is_disabled"),
            col(User.scopes),
            cast(func.extract("epoch", col(Session.expires_at) - func.now()), Double()).label("lifetime"),
        )
    )

    async def rotate(self, user_id: int, session_id: UUID, generation: int) -> Rotation | None:
        """One step from this generation to the next, if it is the current one; either way, what holds now."""
        row = await self._database.fetchrow(
            self._ROTATE, uid=user_id, sid=session_id, given=generation, grace=self._grace
        )
        return None if row is None else Rotation(*row)

    _own = select(col(Session.id)).where(_this_session).cte("own")
    _END = Statement(
        delete(Session)
        .where(
            col(Session.user_id) == bindparam("uid"),
            or_(col(Session.id) == _own.c.id, bindparam("everywhere", type_=Boolean())),
        )
        .returning(col(Session.id), (col(Session.expires_at) <= func.now()).label("has_expired"))
    )

    async def end(self, user_id: int, session_id: UUID, *, everywhere: bool = False) -> bool | None:
        """Delete a session, or with it all of its user's; whether it still lived, None if there was none."""
        rows = await self._database.fetch(self._END, uid=user_id, sid=session_id, everywhere=everywhere)
        return next((not row["has_expired"] for row in rows if row["id"] == session_id), None)

    _END_ALL = Statement(delete(Session).where(col(Session.user_id) == bindparam("uid")).returning(col(Session.id)))

    async def end_all(self, user_id: int) -> int:
        """Delete every session of a user and count them."""
        return len(await self._database.fetch(self._END_ALL, uid=user_id))

    _LIST = Statement(
        select(
            col(Session.id), col(Session.created_at), col(Session.rotated_at), col(Session.expires_at),
            col(Session.ip), col(Session.user_agent),
        )
        .where(col(Session.user_id) == bindparam("uid"), _lives)
        .order_by(col(Session.created_at), col(Session.id))
    )  # fmt: skip

    async def list(self, user_id: int) -> list[SessionRecord]:
        """The live sessions of a user, oldest first."""
        return [SessionRecord(*row) for row in await self._database.fetch(self._LIST, uid=user_id)]

    _dead = (
        select(col(Session.user_id), col(Session.id))
        .where(col(Session.expires_at) <= func.now())
        .order_by(col(Session.expires_at))
        .limit(bindparam("batch"))
        .with_for_update(skip_locked=True)
    )
    _PRUNE = Statement(
        delete(Session).where(tuple_(col(Session.user_id), col(Session.id)).in_(_dead)).returning(col(Session.id))
    )

    async def prune(self, batch: int = 1000) -> int:
        """Delete some sessions past their lifetime; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self._PRUNE, batch=batch))
