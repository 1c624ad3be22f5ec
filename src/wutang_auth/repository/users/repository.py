"""What is read and written in `users`."""

import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.errors import EmailTaken, NotFound, ScopeNotHeld
from wutang_auth.fields import canonical_email
from wutang_auth.repository.distribution import Distribution
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.mails import MailRepository
from wutang_auth.repository.revocations import REVOKED, scopes_taken
from wutang_auth.repository.users.records import USER_COLUMNS, Credentials, StoredUser, UserChange, UserRecord
from wutang_auth.response_codes import Language

_CREDENTIALS = """SELECT id AS user_id, password_hash, scopes, disabled_at IS NOT NULL AS is_disabled,
    coalesce(email_verified_at > '-infinity', false) AS is_verified FROM users"""

_LOSES_SCOPES = "sessions.user_id = $user_id AND NOT users.scopes <@ $scopes::text[]"

_user = reader(UserRecord)
_credentials = reader(Credentials)

# of `$2y$12$…` and `$argon2id$v=19$m=65536,t=4,p=1$…`, all but salt and checksum
_FORM_AND_COST = re.compile(r"\$2[aby]\$\d\d\$|\$argon2[^$]*\$(?:v=\d+\$)?[^$]*\$")


class UserRepository:
    """The `users` table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emails = EmailRepository(database)
        self._mails = MailRepository(database)
        self._cut = LegacyCut()
        self._distribution = Distribution(database)

    FIND_CREDENTIALS = Statement(f"{_CREDENTIALS} WHERE id = $user_id AND canonical_email = $canonical_email")

    # of users that the release before `emails` made or changed while this one was there already
    FIND_UNCLAIMED = Statement(f"{_CREDENTIALS} WHERE canonical_email = $canonical_email")

    async def find_credentials(self, email: str) -> Credentials | None:
        """What to compare a login with, whatever the spelling of the e-mail.

        Two statements, not a join, which distributed engines refuse; they are as many for an address that nobody has.
        """
        canonical = canonical_email(email)
        owner = await self._emails.owner(canonical)
        is_spread = await self._distribution.is_spread()
        if owner is None and is_spread:
            # SECURITY: where users are on several servers, one of them is asked for an address that nobody has too,
            # whichever: to ask all would take longer, and fail while one is away
            owner = -zlib.crc32(canonical.encode())
        row = None
        if owner is not None:
            row = await self._database.fetchrow(self.FIND_CREDENTIALS, user_id=owner, canonical_email=canonical)
        if row is None and not is_spread:
            row = await self._database.fetchrow(self.FIND_UNCLAIMED, canonical_email=canonical)
        return None if row is None else _credentials(row)

    CREDENTIALS = Statement(f"{_CREDENTIALS} WHERE id = $user_id")

    async def credentials(self, user_id: int) -> Credentials | None:
        """The same of a user that is known."""
        row = await self._database.fetchrow(self.CREDENTIALS, user_id=user_id)
        return None if row is None else _credentials(row)

    SAMPLE_HASHES = Statement("SELECT password_hash FROM users ORDER BY id LIMIT 1000")

    async def sample_hashes(self) -> list[str]:
        """One stored hash of each form and cost, as far as the oldest thousand users tell."""
        hashes = [str(row["password_hash"]) for row in await self._database.fetch(self.SAMPLE_HASHES)]
        return list({match[0]: match.string for match in map(_FORM_AND_COST.match, hashes) if match}.values())

    UPGRADE_HASH = Statement("""
        UPDATE users SET password_hash = $new_hash
        WHERE id = $user_id AND password_hash = $verified_hash
        RETURNING id
    """)

    async def upgrade_hash(self, user_id: int, *, verified_hash: str, new_hash: str) -> bool:
        """Store the same password's better hash, unless the password was changed meanwhile."""
        row = await self._database.fetchrow(
            self.UPGRADE_HASH, user_id=user_id, verified_hash=verified_hash, new_hash=new_hash
        )
        return row is not None

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

    REPLACE_PASSWORD = Statement("""
        UPDATE users SET password_hash = $new_hash, updated_at = now()
        WHERE id = $user_id AND password_hash = $verified_hash AND disabled_at IS NULL
        RETURNING email
    """)

    # SECURITY: whoever has set a password does not want another one set, or another address, by a mail of before; who
    # asked for that may be who had the former password. The way back from a change stays, unless somebody else than the
    # user has set another address since: then it would lead away from that.
    KILL_LINKS = Statement("""
        DELETE FROM mail_tokens
        WHERE user_id = $user_id AND purpose IN (
            'reset', 'invite', 'email_change', 'email_agree', CASE WHEN $ways_back THEN 'email_undo' END
        )
    """)
    WITHDRAW_CHANGES = Statement("""
        DELETE FROM mails
        WHERE user_id = $user_id
            AND kind IN ('email_change', 'email_agree', CASE WHEN $ways_back THEN 'email_changed_notice' END)
    """)

    # the foreign keys that would do it are not there where the tables are spread over several servers
    DELETE_BELONGINGS = Statement("""
        WITH links AS (DELETE FROM mail_tokens WHERE user_id = $user_id),
            apps AS (DELETE FROM totps WHERE user_id = $user_id),
            codes AS (DELETE FROM recovery_codes WHERE user_id = $user_id),
            logins AS (DELETE FROM challenges WHERE user_id = $user_id)
        DELETE FROM mails WHERE user_id = $user_id
    """)

    # sessions that a concurrent login adds are seen: the statement before it locked the user's row and waited for them
    END_OTHERS = Statement(f"""
        WITH ended AS (
            DELETE FROM sessions
            WHERE user_id = $user_id AND id IS DISTINCT FROM $kept
            RETURNING user_id, id, access_expires_at
        ), {REVOKED}
        SELECT id FROM ended
    """)

    async def _kill_links(self, transaction: Transaction, user_id: int, *, ways_back: bool = False) -> None:
        """Let no mail of before change the user's password or address."""
        await transaction.fetch(self.KILL_LINKS, user_id=user_id, ways_back=ways_back)
        await transaction.fetch(self.WITHDRAW_CHANGES, user_id=user_id, ways_back=ways_back)

    async def replace_password(
        self,
        user_id: int,
        *,
        verified_hash: str,
        new_hash: str,
        keep_session: UUID | None,
        notify_in: Language | None = None,
    ) -> bool:
        """Replace a password that was just verified, and end the other sessions; not if it was changed meanwhile.

        With a language, the user is told by mail.
        """
        async with self._database.transaction() as transaction:
            row = await transaction.fetchrow(
                self.REPLACE_PASSWORD, user_id=user_id, verified_hash=verified_hash, new_hash=new_hash
            )
            if row is not None:
                await self._kill_links(transaction, user_id)
                await self._cut.set(transaction, user_id, password_changed=True)
                await transaction.fetch(self.END_OTHERS, user_id=user_id, kept=keep_session)
                await self._tell(transaction, user_id, row["email"], notify_in)
        return row is not None

    async def _tell(self, transaction: Transaction, user_id: int, email: str, language: Language | None) -> None:
        if language is not None:
            await self._mails.write("password_changed", email, language, user_id=user_id, transaction=transaction)

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
                            await self._kill_links(transaction, user_id, ways_back=True)
                has_new_password = change.password_hash is not None
                if has_new_password:
                    await self._kill_links(transaction, user_id)
                    await self._tell(transaction, user_id, row["email"], notify_in)
                if has_new_password or change.disabled:
                    await self._cut.set(transaction, user_id, password_changed=has_new_password)
                    await transaction.fetch(self.END_OTHERS, user_id=user_id, kept=None)
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
            await self._cut.set(transaction, user_id)
            await transaction.fetch(self.END_OTHERS, user_id=user_id, kept=None)
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
