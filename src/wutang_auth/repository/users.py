"""The statements on `users`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ARRAY,
    Boolean,
    DateTime,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)  # fmt: skip
from sqlmodel import col

from wutang_auth.database import Database, Statement
from wutang_auth.emails import canonical_email
from wutang_auth.errors import EmailTaken, NotFound, ScopeNotHeld
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
class StoredUser:
    """A user with the password hash, for another system to take over."""

    user: UserRecord
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is compared with."""

    user_id: int
    password_hash: str = field(repr=False)
    scopes: list[str]
    is_disabled: bool


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

    @property
    def changed(self) -> list[str]:
        """The names of the fields that change."""
        values = {
            "name": self.name,
            "email": self.email,
            "password": self.password_hash,
            "scopes": self.scopes,
            "disabled": self.disabled,
            "email_verified_at": self.email_verified_at or self.clear_email_verified_at or None,
        }
        return [name for name, value in values.items() if value is not None]


# of `$2y$12$…` and `$argon2id$v=19$m=65536,t=4,p=1$…`, all but salt and checksum
_FORM_AND_COST = re.compile(r"\$2[aby]\$\d\d\$|\$argon2[^$]*\$(?:v=\d+\$)?[^$]*\$")

USER_COLUMNS = (
    col(User.id), col(User.name), col(User.email), col(User.email_verified_at), col(User.scopes), col(User.disabled_at),
    col(User.created_at), col(User.updated_at),
)  # fmt: skip


class UserRepository:
    """The `users` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _credentials = select(
        col(User.id), col(User.password_hash), col(User.scopes), col(User.disabled_at).isnot(None).label("is_disabled")
    )
    _CREDENTIALS = Statement(_credentials.where(col(User.canonical_email) == bindparam("canonical")))

    async def find_credentials(self, email: str) -> Credentials | None:
        """What to compare a login with, whatever the e-mail's case or Unicode form."""
        row = await self._database.fetchrow(self._CREDENTIALS, canonical=canonical_email(email))
        return None if row is None else Credentials(*row)

    _CREDENTIALS_OF = Statement(_credentials.where(col(User.id) == bindparam("uid")))

    async def credentials(self, user_id: int) -> Credentials | None:
        """The same of a user that is known."""
        row = await self._database.fetchrow(self._CREDENTIALS_OF, uid=user_id)
        return None if row is None else Credentials(*row)

    _HASHES = Statement(select(col(User.password_hash)).order_by(col(User.id)).limit(1000))

    async def sample_hashes(self) -> list[str]:
        """One stored hash of each form and cost, as far as the oldest thousand users tell."""
        hashes = [str(row[0]) for row in await self._database.fetch(self._HASHES)]
        return list({match[0]: match.string for match in map(_FORM_AND_COST.match, hashes) if match}.values())

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
        .returning(*USER_COLUMNS)
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
            _raise_email_taken(error)
            raise
        return _one_user(row)

    _GET = Statement(select(*USER_COLUMNS).where(col(User.id) == bindparam("uid")))

    async def get(self, user_id: int) -> UserRecord:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self._GET, uid=user_id))

    _FIND = Statement(select(*USER_COLUMNS).where(col(User.canonical_email) == bindparam("canonical")))

    async def find(self, email: str) -> UserRecord:
        """The user with this e-mail, in any spelling.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self._FIND, canonical=canonical_email(email)))

    _REPLACE_PASSWORD = Statement(
        update(User)
        .where(
            col(User.id) == bindparam("uid"),
            col(User.password_hash) == bindparam("verified_hash"),
            col(User.disabled_at).is_(None),
        )
        .values(password_hash=bindparam("new_hash"), updated_at=func.now())
        .returning(col(User.id))
    )

    async def replace_password(
        self, user_id: int, *, verified_hash: str, new_hash: str, keep_session: UUID | None
    ) -> bool:
        """Replace a password that was just verified, and end the other sessions; not if it was changed meanwhile."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetchrow(
                self._REPLACE_PASSWORD, uid=user_id, verified_hash=verified_hash, new_hash=new_hash
            )
            if row is not None:
                await transaction.fetch(self._END_OTHERS, uid=user_id, kept=keep_session)
        return row is not None

    _CHANGE_SCOPES = Statement(
        update(User)
        .where(col(User.id) == bindparam("uid"))
        .values(
            scopes=text(
                "ARRAY(SELECT scope FROM (SELECT unnest(users.scopes) UNION SELECT unnest(CAST(:given AS text[]))"
                ' EXCEPT SELECT unnest(CAST(:taken AS text[]))) AS kept (scope) ORDER BY scope COLLATE "C")'
            ),
            updated_at=func.now(),
        )
        .returning(*USER_COLUMNS)
    )

    async def change_scopes(self, user_id: int, *, given: Sequence[str], taken: Sequence[str]) -> UserRecord:
        """Give some scopes and take others, whatever the user has.

        Raises:
            NotFound: there is no such user.
        """
        row = await self._database.fetchrow(self._CHANGE_SCOPES, uid=user_id, given=given, taken=taken)
        return _one_user(row)

    _LIST = Statement(
        select(*USER_COLUMNS).where(col(User.id) > bindparam("after")).order_by(col(User.id)).limit(bindparam("most"))
    )
    _LIST_EMAIL = Statement(
        select(*USER_COLUMNS).where(
            col(User.canonical_email) == bindparam("canonical"), col(User.id) > bindparam("after")
        )
    )

    async def list(self, *, after: int, limit: int, email: str | None = None) -> list[UserRecord]:
        """The next users by id, at most `limit`; with an e-mail, in any spelling, only its user."""
        if email is None:
            rows = await self._database.fetch(self._LIST, after=after, most=limit)
        else:
            rows = await self._database.fetch(self._LIST_EMAIL, after=after, canonical=canonical_email(email))
        return [UserRecord(*row) for row in rows]

    _EXPORT = Statement(
        select(*USER_COLUMNS, col(User.password_hash))
        .where(col(User.id) > bindparam("after"))
        .order_by(col(User.id))
        .limit(bindparam("most"))
    )

    async def export(self, *, after: int, limit: int) -> Sequence[StoredUser]:
        """The next users by id, at most `limit`, with all that is known of them."""
        rows = await self._database.fetch(self._EXPORT, after=after, most=limit)
        return [StoredUser(UserRecord(*row[:8]), row[8]) for row in rows]

    # SECURITY: in the statement itself, so that no scope taken away meanwhile is given back by one who lacks it
    _held = bindparam("held", type_=ARRAY(Text()))
    _new_scopes = bindparam("new_scopes", type_=ARRAY(Text()))
    _within_held = or_(
        _held.is_(None),
        and_(
            or_(_new_scopes.is_(None), _new_scopes.bool_op("<@")(func.array_cat(col(User.scopes), _held))),
            # whoever sets the password of a user, or where its mail goes, can be that user
            or_(
                and_(
                    bindparam("new_hash", type_=Text()).is_(None),
                    func.coalesce(bindparam("canonical", type_=Text()), col(User.canonical_email))
                    == col(User.canonical_email),
                ),
                col(User.scopes).bool_op("<@")(_held),
            ),
        ),
    )
    _new_verified = bindparam("new_verified", type_=DateTime(timezone=True))
    _UPDATE = Statement(
        update(User)
        .where(col(User.id) == bindparam("uid"), _within_held)
        .values(
            name=func.coalesce(bindparam("new_name", type_=Text()), col(User.name)),
            email=func.coalesce(bindparam("new_email", type_=Text()), col(User.email)),
            canonical_email=func.coalesce(bindparam("canonical", type_=Text()), col(User.canonical_email)),
            password_hash=func.coalesce(bindparam("new_hash", type_=Text()), col(User.password_hash)),
            scopes=func.coalesce(_new_scopes, col(User.scopes)),
            email_verified_at=case(
                (bindparam("clear_verified", type_=Boolean()), None),
                (_new_verified.isnot(None), _new_verified),
                # another address has yet to be verified; another spelling has not
                (bindparam("canonical", type_=Text()) != col(User.canonical_email), None),
                else_=col(User.email_verified_at),
            ),
            disabled_at=case(
                (bindparam("disabled", type_=Boolean()).is_(None), col(User.disabled_at)),
                (bindparam("disabled", type_=Boolean()), func.coalesce(col(User.disabled_at), func.now())),
            ),
            updated_at=func.now(),
        )
        .returning(*USER_COLUMNS)
    )
    # sessions that a concurrent login adds are seen: the statement before it locked the user's row and waited for them
    _END_OTHERS = Statement(
        delete(Session).where(
            col(Session.user_id) == bindparam("uid"),
            col(Session.id).is_distinct_from(bindparam("kept", type_=Uuid())),
        )
    )

    async def update(self, user_id: int, change: UserChange, *, held: Sequence[str] | None = None) -> UserRecord:
        """Change a user; a new password or disabling ends the sessions too.

        `held` are the scopes of whoever does it, None for an operator, who may do anything.

        Raises:
            NotFound: there is no such user.
            EmailTaken: another user has the new e-mail, in some spelling.
            ScopeNotHeld: a scope is given that is not held, or a user taken over who has more than is held.
        """
        try:
            async with self._database.transaction() as transaction:
                row = await transaction.fetchrow(
                    self._UPDATE, uid=user_id, held=held, new_name=change.name, new_email=change.email,
                    canonical=None if change.email is None else canonical_email(change.email),
                    new_hash=change.password_hash, new_scopes=change.scopes, disabled=change.disabled,
                    new_verified=change.email_verified_at, clear_verified=change.clear_email_verified_at,
                )  # fmt: skip
                if row is None:
                    _one_user(await transaction.fetchrow(self._GET, uid=user_id))
                    raise ScopeNotHeld
                if change.password_hash is not None or change.disabled:
                    await transaction.fetch(self._END_OTHERS, uid=user_id, kept=None)
        except asyncpg.UniqueViolationError as error:
            _raise_email_taken(error)
            raise
        return _one_user(row)

    _DELETE = Statement(delete(User).where(col(User.id) == bindparam("uid")).returning(col(User.id)))

    async def delete(self, user_id: int) -> None:
        """Delete a user; the sessions go with it.

        Raises:
            NotFound: there is no such user.
        """
        if await self._database.fetchrow(self._DELETE, uid=user_id) is None:
            raise NotFound


def _raise_email_taken(error: asyncpg.UniqueViolationError) -> None:
    if error.constraint_name == "users_canonical_email_key":
        raise EmailTaken from error


def _one_user(row: asyncpg.Record | None) -> UserRecord:
    if row is None:
        raise NotFound
    return UserRecord(*row)
