"""Every SQL statement of the program."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Boolean, DateTime, Double, Interval, Text, Uuid, and_, bindparam, case, cast, column, delete, func, insert, or_,
    select, table, tuple_, update,
)  # fmt: skip
from sqlmodel import col

from wutang_auth.database import Database, Statement
from wutang_auth.emails import canonical_email
from wutang_auth.errors import EmailTaken, NotFound
from wutang_auth.models import Session, User


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user, without the password hash."""

    id: int
    name: str
    email: str
    email_verified_at: datetime | None
    scopes: list[str]
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is compared with."""

    user_id: int
    password_hash: str = field(repr=False)
    scopes: list[str]
    is_disabled: bool


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


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to change of a user; None leaves a field as it is."""

    name: str | None = None
    email: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    scopes: list[str] | None = None
    disabled: bool | None = None
    email_verified_at: datetime | None = None
    clear_email_verified_at: bool = False


_USER = (
    col(User.id), col(User.name), col(User.email), col(User.email_verified_at), col(User.scopes), col(User.disabled_at),
    col(User.created_at), col(User.updated_at),
)  # fmt: skip

_this_session = and_(Session.user_id == bindparam("uid"), Session.id == bindparam("sid", type_=Uuid()))
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
        select(*_USER, col(Session.generation), _in_grace, (col(Session.expires_at) <= func.now()).label("has_expired"))
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
            Session.user_id == bindparam("uid"),
            or_(col(Session.id) == _own.c.id, bindparam("everywhere", type_=Boolean())),
        )
        .returning(col(Session.id), (col(Session.expires_at) <= func.now()).label("has_expired"))
    )

    async def end(self, user_id: int, session_id: UUID, *, everywhere: bool = False) -> bool | None:
        """Delete a session, or with it all of its user's; whether it still lived, None if there was none."""
        rows = await self._database.fetch(self._END, uid=user_id, sid=session_id, everywhere=everywhere)
        return next((not row["has_expired"] for row in rows if row["id"] == session_id), None)

    _END_ALL = Statement(
        delete(Session).where(col(Session.user_id) == bindparam("uid")).returning(col(Session.id))
    )

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
        delete(Session)
        .where(tuple_(col(Session.user_id), col(Session.id)).in_(_dead))
        .returning(col(Session.id))
    )

    async def prune(self, batch: int = 1000) -> int:
        """Delete some sessions past their lifetime; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self._PRUNE, batch=batch))


class UserRepository:
    """The `users` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _CREDENTIALS = Statement(
        select(
            col(User.id), col(User.password_hash), col(User.scopes),
            col(User.disabled_at).isnot(None).label("is_disabled"),
        ).where(col(User.canonical_email) == bindparam("canonical"))
    )  # fmt: skip

    async def find_credentials(self, email: str) -> Credentials | None:
        """What to compare a login with, whatever the e-mail's case or Unicode form."""
        row = await self._database.fetchrow(self._CREDENTIALS, canonical=canonical_email(email))
        return None if row is None else Credentials(*row)

    _UPGRADE_HASH = Statement(
        update(User)
        .where(col(User.id) == bindparam("uid"), col(User.password_hash) == bindparam("verified_hash"))
        .values(password_hash=bindparam("new_hash"))
        .returning(col(User.id))
    )

    async def upgrade_hash(self, user_id: int, *, verified_hash: str, new_hash: str) -> bool:
        """Store the same password's better hash, unless the password was changed meanwhile."""
        row = await self._database.fetchrow(
            self._UPGRADE_HASH, uid=user_id, verified_hash=verified_hash, new_hash=new_hash
        )
        return row is not None

    _CREATE = Statement(
        insert(User)
        .values(
            email=bindparam("email"), canonical_email=bindparam("canonical"), name=bindparam("name"),
            password_hash=bindparam("password_hash"), scopes=bindparam("scopes"),
            disabled_at=case((bindparam("disabled", type_=Boolean()), func.now())),
            email_verified_at=bindparam("email_verified_at"),
        )
        .returning(*_USER)
    )  # fmt: skip

    async def create(
        self,
        *,
        email: str,
        name: str,
        password_hash: str,
        scopes: list[str],
        disabled: bool = False,
        email_verified_at: datetime | None = None,
    ) -> UserRecord:
        """Add a user.

        Raises:
            EmailTaken: another user has this e-mail, in some spelling.
        """
        try:
            row = await self._database.fetchrow(
                self._CREATE, email=email, canonical=canonical_email(email), name=name, password_hash=password_hash,
                scopes=scopes, disabled=disabled, email_verified_at=email_verified_at,
            )  # fmt: skip
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error
        return _one_user(row)

    _GET = Statement(select(*_USER).where(col(User.id) == bindparam("uid")))

    async def get(self, user_id: int) -> UserRecord:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self._GET, uid=user_id))

    _FIND = Statement(select(*_USER).where(col(User.canonical_email) == bindparam("canonical")))

    async def find(self, email: str) -> UserRecord:
        """The user with this e-mail, in any spelling.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self._FIND, canonical=canonical_email(email)))

    _LIST = Statement(
        select(*_USER).where(col(User.id) > bindparam("after")).order_by(col(User.id)).limit(bindparam("most"))
    )

    async def list(self, *, after: int, limit: int) -> list[UserRecord]:
        """The next users by id, at most `limit`."""
        return [UserRecord(*row) for row in await self._database.fetch(self._LIST, after=after, most=limit)]

    _UPDATE = Statement(
        update(User)
        .where(col(User.id) == bindparam("uid"))
        .values(
            name=func.coalesce(bindparam("new_name", type_=Text()), col(User.name)),
            email=func.coalesce(bindparam("new_email", type_=Text()), col(User.email)),
            canonical_email=func.coalesce(bindparam("canonical", type_=Text()), col(User.canonical_email)),
            password_hash=func.coalesce(bindparam("new_hash", type_=Text()), col(User.password_hash)),
            scopes=func.coalesce(bindparam("new_scopes", type_=col(User.scopes).type), col(User.scopes)),
            email_verified_at=case(
                (bindparam("clear_verified", type_=Boolean()), None),
                else_=func.coalesce(
                    bindparam("new_verified", type_=DateTime(timezone=True)), col(User.email_verified_at)
                ),
            ),
            disabled_at=case(
                (bindparam("disabled", type_=Boolean()).is_(None), col(User.disabled_at)),
                (bindparam("disabled", type_=Boolean()), func.coalesce(col(User.disabled_at), func.now())),
            ),
            updated_at=func.now(),
        )
        .returning(*_USER)
    )
    # sessions that a concurrent login adds are seen: the statement before it locked the user's row and waited for them
    _END_OTHERS = Statement(
        delete(Session).where(
            col(Session.user_id) == bindparam("uid"),
            col(Session.id).is_distinct_from(bindparam("kept", type_=Uuid())),
        )
    )

    async def update(self, user_id: int, change: UserChange, *, keep_session: UUID | None = None) -> UserRecord:
        """Change a user; a new password or disabling ends the sessions too, but the one kept.

        Raises:
            NotFound: there is no such user.
            EmailTaken: another user has the new e-mail, in some spelling.
        """
        try:
            async with self._database.transaction() as transaction:
                row = await transaction.fetchrow(
                    self._UPDATE, uid=user_id, new_name=change.name, new_email=change.email,
                    canonical=None if change.email is None else canonical_email(change.email),
                    new_hash=change.password_hash, new_scopes=change.scopes, disabled=change.disabled,
                    new_verified=change.email_verified_at, clear_verified=change.clear_email_verified_at,
                )  # fmt: skip
                user = _one_user(row)
                if change.password_hash is not None or change.disabled:
                    await transaction.fetch(self._END_OTHERS, uid=user_id, kept=keep_session)
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error
        return user

    _DELETE = Statement(delete(User).where(col(User.id) == bindparam("uid")).returning(col(User.id)))

    async def delete(self, user_id: int) -> None:
        """Delete a user; the sessions go with it.

        Raises:
            NotFound: there is no such user.
        """
        if await self._database.fetchrow(self._DELETE, uid=user_id) is None:
            raise NotFound


class SchemaRepository:
    """Alembic's own table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))

    async def revision(self) -> str | None:
        """The schema's revision.

        Raises:
            DatabaseUnavailable: also when there is no schema at all.
        """
        row = await self._database.fetchrow(self._REVISION)
        return None if row is None else str(row[0])


def _one_user(row: asyncpg.Record | None) -> UserRecord:
    if row is None:
        raise NotFound
    return UserRecord(*row)
