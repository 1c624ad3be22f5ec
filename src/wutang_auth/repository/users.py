"""What is read and written in `users`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from wutang_auth.database import Database
from wutang_auth.errors import EmailTaken, NotFound, ScopeNotHeld
from wutang_auth.fields import canonical_email
from wutang_auth.repository import sql


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


class UserRepository:
    """The `users` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_credentials(self, email: str) -> Credentials | None:
        """What to compare a login with, whatever the e-mail's case or Unicode form."""
        row = await self._database.fetchrow(sql.USERS_CREDENTIALS, canonical=canonical_email(email))
        return None if row is None else Credentials(*row)

    async def credentials(self, user_id: int) -> Credentials | None:
        """The same of a user that is known."""
        row = await self._database.fetchrow(sql.USERS_CREDENTIALS_OF, uid=user_id)
        return None if row is None else Credentials(*row)

    async def sample_hashes(self) -> list[str]:
        """One stored hash of each form and cost, as far as the oldest thousand users tell."""
        hashes = [str(row[0]) for row in await self._database.fetch(sql.USERS_HASHES)]
        return list({match[0]: match.string for match in map(_FORM_AND_COST.match, hashes) if match}.values())

    async def upgrade_hash(self, user_id: int, *, verified_hash: str, new_hash: str) -> bool:
        """Store the same password's better hash, unless the password was changed meanwhile."""
        row = await self._database.fetchrow(
            sql.USERS_UPGRADE_HASH, uid=user_id, verified_hash=verified_hash, new_hash=new_hash
        )
        return row is not None

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
                sql.USERS_CREATE, email=email, canonical=canonical_email(email), name=name, password_hash=password_hash,
                scopes=scopes, disabled=disabled, email_verified_at=email_verified_at,
            )  # fmt: skip
        except asyncpg.UniqueViolationError as error:
            _raise_email_taken(error)
            raise
        return _one_user(row)

    async def get(self, user_id: int) -> UserRecord:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(sql.USERS_GET, uid=user_id))

    async def find(self, email: str) -> UserRecord:
        """The user with this e-mail, in any spelling.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(sql.USERS_FIND, canonical=canonical_email(email)))

    async def replace_password(
        self, user_id: int, *, verified_hash: str, new_hash: str, keep_session: UUID | None
    ) -> bool:
        """Replace a password that was just verified, and end the other sessions; not if it was changed meanwhile."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetchrow(
                sql.USERS_REPLACE_PASSWORD, uid=user_id, verified_hash=verified_hash, new_hash=new_hash
            )
            if row is not None:
                await transaction.fetch(sql.USERS_END_OTHERS, uid=user_id, kept=keep_session)
        return row is not None

    async def change_scopes(self, user_id: int, *, given: Sequence[str], taken: Sequence[str]) -> UserRecord:
        """Give some scopes and take others, whatever the user has.

        Raises:
            NotFound: there is no such user.
        """
        row = await self._database.fetchrow(sql.USERS_CHANGE_SCOPES, uid=user_id, given=given, taken=taken)
        return _one_user(row)

    async def list(self, *, after: int, limit: int, email: str | None = None) -> list[UserRecord]:
        """The next users by id, at most `limit`; with an e-mail, in any spelling, only its user."""
        if email is None:
            rows = await self._database.fetch(sql.USERS_LIST, after=after, most=limit)
        else:
            rows = await self._database.fetch(sql.USERS_LIST_EMAIL, after=after, canonical=canonical_email(email))
        return [UserRecord(*row) for row in rows]

    async def export(self, *, after: int, limit: int) -> Sequence[StoredUser]:
        """The next users by id, at most `limit`, with all that is known of them."""
        rows = await self._database.fetch(sql.USERS_EXPORT, after=after, most=limit)
        return [StoredUser(UserRecord(*row[:8]), row[8]) for row in rows]

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
                    sql.USERS_UPDATE, uid=user_id, held=held, new_name=change.name, new_email=change.email,
                    canonical=None if change.email is None else canonical_email(change.email),
                    new_hash=change.password_hash, new_scopes=change.scopes, disabled=change.disabled,
                    new_verified=change.email_verified_at, clear_verified=change.clear_email_verified_at,
                )  # fmt: skip
                if row is None:
                    _one_user(await transaction.fetchrow(sql.USERS_GET, uid=user_id))
                    raise ScopeNotHeld
                if change.password_hash is not None or change.disabled:
                    await transaction.fetch(sql.USERS_END_OTHERS, uid=user_id, kept=None)
        except asyncpg.UniqueViolationError as error:
            _raise_email_taken(error)
            raise
        return _one_user(row)

    async def delete(self, user_id: int) -> None:
        """Delete a user; the sessions go with it.

        Raises:
            NotFound: there is no such user.
        """
        if await self._database.fetchrow(sql.USERS_DELETE, uid=user_id) is None:
            raise NotFound


def _raise_email_taken(error: asyncpg.UniqueViolationError) -> None:
    if error.constraint_name == "users_canonical_email_key":
        raise EmailTaken from error


def _one_user(row: asyncpg.Record | None) -> UserRecord:
    if row is None:
        raise NotFound
    return UserRecord(*row)
