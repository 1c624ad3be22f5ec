"""What is read and written of accounts in `users`."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from wutang_auth.database import Database, Statement, reader
from wutang_auth.errors import EmailTaken, NotFound, ScopeNotHeld
from wutang_auth.fields import canonical_email
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.mails import MailRepository
from wutang_auth.repository.revocations import scopes_taken
from wutang_auth.repository.users.endings import Endings
from wutang_auth.repository.users.records import USER_COLUMNS, StoredUser, UserChange, UserRecord
from wutang_auth.response_codes import Language

_LOSES_SCOPES = "sessions.user_id = $user_id AND NOT users.scopes <@ $scopes::text[]"

_user = reader(UserRecord)


class UserRepository:
    """The accounts in the `users` table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emails = EmailRepository(database)
        self._mails = MailRepository(database)
        self._endings = Endings(database)

    # now() stands outside of CASE, within which distributed engines refuse it; the sum is NULL unless disabled
    CREATE = Statement(f"""
        INSERT INTO users (email, canonical_email, name, email_verified_at, password_hash, scopes, disabled_at)
        VALUES (
            $email, $canonical_email, $name, $email_verified_at, $password_hash, $scopes,
            now() + CASE WHEN $disabled THEN interval '0' END
        )
        RETURNING {USER_COLUMNS}
    """)

    async def create(
        self,
        *,
        email: str,
        name: str,
        password_hash: str,
        scopes: list[str],
        disabled: bool = False,
        email_verified_at: datetime | None = None,
        invite_in: Language | None = None,
    ) -> UserRecord:
        """Add a user; with a language, mail an invitation in it.

        Raises:
            EmailTaken: another user has this e-mail, in some spelling.
        """
        canonical = canonical_email(email)
        try:
            async with self._database.transaction() as transaction:
                row = await transaction.fetchrow(
                    self.CREATE, email=email, canonical_email=canonical, name=name,
                    password_hash=password_hash, scopes=scopes, disabled=disabled, email_verified_at=email_verified_at,
                )  # fmt: skip
                user = _one_user(row)
                await self._emails.claim(transaction, canonical, user.id)
                if invite_in is not None:
                    await self._mails.write("invite", email, invite_in, user_id=user.id, transaction=transaction)
        except asyncpg.UniqueViolationError as error:
            # it may be the id, if the sequence of ids was set back
            if await self._database.fetchrow(self.FIND, canonical_email=canonical) is None:
                raise
            raise EmailTaken from error
        return user

    GET = Statement(f"SELECT {USER_COLUMNS} FROM users WHERE id = $user_id")

    async def get(self, user_id: int) -> UserRecord:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self.GET, user_id=user_id))

    # not by way of `emails`: that would be another round trip, and this one is for operators
    FIND = Statement(f"SELECT {USER_COLUMNS} FROM users WHERE canonical_email = $canonical_email")

    async def find(self, email: str) -> UserRecord:
        """The user with this e-mail, in any spelling.

        Raises:
            NotFound: there is none.
        """
        return _one_user(await self._database.fetchrow(self.FIND, canonical_email=canonical_email(email)))

    CHANGE_SCOPES = Statement(f"""
        WITH {scopes_taken("sessions.user_id = $user_id AND users.scopes && $taken::text[]")}
        UPDATE users
        SET updated_at = now(), scopes = ARRAY(
            SELECT scope
            FROM (
                SELECT unnest(users.scopes) UNION SELECT unnest($given::text[]) EXCEPT SELECT unnest($taken::text[])
            ) AS kept (scope)
            ORDER BY scope COLLATE "C"
        )
        WHERE id = $user_id
        RETURNING {USER_COLUMNS}
    """)

    async def change_scopes(self, user_id: int, *, given: Sequence[str], taken: Sequence[str]) -> UserRecord:
        """Give some scopes and take others, whatever the user has.

        Raises:
            NotFound: there is no such user.
        """
        async with self._database.transaction() as transaction:
            await transaction.fetch(self.LOCK, user_id=user_id)
            row = await transaction.fetchrow(self.CHANGE_SCOPES, user_id=user_id, given=given, taken=taken)
        return _one_user(row)

    LIST = Statement(f"SELECT {USER_COLUMNS} FROM users WHERE id > $after ORDER BY id LIMIT $limit")

    LIST_EMAIL = Statement(f"""
        SELECT {USER_COLUMNS} FROM users WHERE canonical_email = $canonical_email AND id > $after
    """)

    async def list(self, *, after: int, limit: int, email: str | None = None) -> list[UserRecord]:
        """The next users by id, at most `limit`; with an e-mail, in any spelling, only its user."""
        if email is None:
            rows = await self._database.fetch(self.LIST, after=after, limit=limit)
        else:
            rows = await self._database.fetch(self.LIST_EMAIL, after=after, canonical_email=canonical_email(email))
        return [_user(row) for row in rows]

    LIST_IDS = Statement("SELECT id FROM users WHERE id > $after ORDER BY id LIMIT $limit")

    async def list_ids(self, *, after: int, limit: int) -> Sequence[int]:
        """The next ids of users, at most `limit`."""
        return [row["id"] for row in await self._database.fetch(self.LIST_IDS, after=after, limit=limit)]

    EXPORT = Statement(f"SELECT {USER_COLUMNS}, password_hash FROM users WHERE id > $after ORDER BY id LIMIT $limit")

    async def export(self, *, after: int, limit: int) -> Sequence[StoredUser]:
        """The next users by id, at most `limit`, with all that is known of them."""
        rows = await self._database.fetch(self.EXPORT, after=after, limit=limit)
        return [StoredUser(_user(row), row["password_hash"]) for row in rows]

    LOCK = Statement("SELECT canonical_email FROM users WHERE id = $user_id FOR UPDATE")

    # SECURITY: `held` is looked at in the statement itself, so that no scope taken away meanwhile is given back by one
    # who lacks it; and whoever sets the password of a user, or where its mail goes, can be that user. Another address
    # has yet to be verified; another spelling of it has not.
    _UPDATE = f"""
        UPDATE users
        SET name = coalesce($name, users.name),
            email = coalesce($email, users.email),
            canonical_email = coalesce($canonical_email, users.canonical_email),
            email_verified_at = CASE
                WHEN $clear_email_verified_at THEN NULL
                WHEN $email_verified_at::timestamptz IS NOT NULL THEN $email_verified_at
                WHEN $canonical_email <> users.canonical_email THEN NULL
                ELSE users.email_verified_at
            END,
            password_hash = coalesce($password_hash, users.password_hash),
            scopes = coalesce($scopes, users.scopes),
            disabled_at = CASE
                WHEN $disabled::boolean IS NULL THEN users.disabled_at
                WHEN $disabled THEN coalesce(users.disabled_at, clock.t)
            END,
            updated_at = clock.t
        FROM clock
        WHERE users.id = $user_id AND (
            $held::text[] IS NULL
            OR ($scopes::text[] IS NULL OR $scopes <@ array_cat(users.scopes, $held))
            AND (
                $password_hash::text IS NULL
                AND coalesce($canonical_email, users.canonical_email) = users.canonical_email
                OR users.scopes <@ $held
            )
        )
        RETURNING {USER_COLUMNS}
    """

    UPDATE = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t), {scopes_taken(_LOSES_SCOPES)}
        {_UPDATE}
    """)

    # for a schema that may have no `revocations` yet
    CHANGE_EMAIL = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        {_UPDATE}
    """)

    async def update(
        self,
        user_id: int,
        change: UserChange,
        *,
        held: Sequence[str] | None = None,
        by_owner: bool = False,
        notify_in: Language | None = None,
    ) -> UserRecord:
        """Change a user; a new password or disabling ends the sessions too.

        Another address ends the links of an earlier change, that to undo it too, unless the user itself sets it.

        `held` are the scopes of whoever does it, None for an operator, who may do anything. With a language, the user
        is told of a new password by mail.

        Raises:
            NotFound: there is no such user.
            EmailTaken: another user has the new e-mail, in some spelling.
            ScopeNotHeld: a scope is given that is not held, or a user taken over who has more than is held.
        """
        canonical = None if change.email is None else canonical_email(change.email)
        try:
            async with self._database.transaction() as transaction:
                before = None
                if canonical is not None or change.scopes is not None:
                    before = await transaction.fetchrow(self.LOCK, user_id=user_id)
                row = await transaction.fetchrow(self.UPDATE, **_update_parameters(user_id, change, held))
                if row is None:
                    _one_user(await transaction.fetchrow(self.GET, user_id=user_id))
                    raise ScopeNotHeld
                if canonical is not None and before is not None:
                    await self._emails.claim(transaction, canonical, user_id)
                    if before["canonical_email"] != canonical:
                        await self._emails.release(transaction, before["canonical_email"], user_id)
                        if not by_owner:
                            await self._endings.kill_links(transaction, user_id, ways_back=True)
                if change.password_hash is not None:
                    await self._endings.end_by_password(transaction, user_id, row["email"], notify_in=notify_in)
                elif change.disabled:
                    await self._endings.end_sessions(transaction, user_id)
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error
        return _one_user(row)

    async def change_email(self, user_id: int, email: str) -> UserRecord:
        """Change a user's address, also while the migration that makes `emails` waits for just that.

        Raises:
            NotFound: there is no such user.
            EmailTaken: another user has the new e-mail, in some spelling.
        """
        change = UserChange(email=email)
        if await self._emails.is_there():
            return await self.update(user_id, change)
        try:
            return _one_user(
                await self._database.fetchrow(self.CHANGE_EMAIL, **_update_parameters(user_id, change, None))
            )
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error

    DELETE = Statement("DELETE FROM users WHERE id = $user_id RETURNING canonical_email")

    # the foreign keys that would do it are not there where the tables are spread over several servers
    DELETE_BELONGINGS = Statement("""
        WITH links AS (DELETE FROM mail_tokens WHERE user_id = $user_id),
            apps AS (DELETE FROM totps WHERE user_id = $user_id),
            codes AS (DELETE FROM recovery_codes WHERE user_id = $user_id),
            logins AS (DELETE FROM challenges WHERE user_id = $user_id)
        DELETE FROM mails WHERE user_id = $user_id
    """)

    async def delete(self, user_id: int) -> None:
        """Delete a user; the sessions go with it.

        Raises:
            NotFound: there is no such user.
        """
        async with self._database.transaction() as transaction:
            # locked first, so that no login adds a session that would go unseen
            await transaction.fetch(self.LOCK, user_id=user_id)
            # SECURITY: should a user with the same id be imported, these tokens are not that user's
            await transaction.fetch(self.DELETE_BELONGINGS, user_id=user_id)
            await self._endings.end_sessions(transaction, user_id)
            row = await transaction.fetchrow(self.DELETE, user_id=user_id)
            if row is None:
                raise NotFound
            await self._emails.release(transaction, row["canonical_email"], user_id)


def _update_parameters(user_id: int, change: UserChange, held: Sequence[str] | None) -> dict[str, object]:
    return {
        "user_id": user_id, "held": held, "name": change.name, "email": change.email,
        "canonical_email": None if change.email is None else canonical_email(change.email),
        "password_hash": change.password_hash, "scopes": change.scopes, "disabled": change.disabled,
        "email_verified_at": change.email_verified_at, "clear_email_verified_at": change.clear_email_verified_at,
    }  # fmt: skip


def _one_user(row: asyncpg.Record | None) -> UserRecord:
    if row is None:
        raise NotFound
    return _user(row)
