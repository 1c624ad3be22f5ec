"""What is read and written in `mail_tokens`, and what the links of mails change."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.errors import DeadLink, EmailTaken
from wutang_auth.fields import NO_PASSWORD, Purpose, canonical_email
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.mails import MailRecord, MailRepository
from wutang_auth.repository.pruning import delete_dead
from wutang_auth.repository.sessions import SessionRepository
from wutang_auth.repository.users import USER_COLUMNS, UserRecord
from wutang_auth.response_codes import Language


@dataclass(frozen=True, slots=True)
class MailToken:
    """What a link may do."""

    digest: bytes
    purpose: Purpose
    user_id: int | None
    email: str
    """The address that it is about; of a change the new one, of an undoing the old one."""
    canonical_email: str
    other_canonical: str | None
    """The other address of a change, as compared."""
    expires_at: datetime
    created_at: datetime
    """When the mail was asked for."""


@dataclass(frozen=True, slots=True)
class AddressOwner:
    """Whose an address is."""

    user_id: int
    email: str
    """As it is stored."""
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class _HeldUser:
    """A user whose row is held until the end of the transaction."""

    id: int
    email: str
    canonical_email: str


_token = reader(MailToken)
_owner = reader(AddressOwner)
_held = reader(_HeldUser)
_user = reader(UserRecord)


class MailTokenRepository:
    """The `mail_tokens` table.

    Whatever takes a token takes the user's row first, then tokens, then sessions, so that none wait for each other in a
    circle. The token is deleted in the transaction of what it is for: of two who come with it, one finds it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emails = EmailRepository(database)
        self._mails = MailRepository(database)
        self._cut = LegacyCut()

    # -- making them

    OWNER = Statement("""
        SELECT id AS user_id, email, disabled_at IS NOT NULL AS is_disabled
        FROM users
        WHERE canonical_email = $canonical_email
    """)

    async def owner(self, canonical: str) -> AddressOwner | None:
        """The user with this address."""
        row = await self._database.fetchrow(self.OWNER, canonical_email=canonical)
        return None if row is None else _owner(row)

    TARGET = Statement("""
        SELECT id, email, canonical_email FROM users WHERE id = $user_id AND disabled_at IS NULL FOR SHARE
    """)

    async def _target(self, transaction: Transaction, user_id: int | None, canonical: str) -> _HeldUser | None:
        """Hold the user with this id or else with this address, if there is one who is not disabled."""
        by_address = user_id is None
        if by_address:
            owner = await transaction.fetchrow(self.OWNER, canonical_email=canonical)
            if owner is None:
                return None
            user_id = owner["user_id"]
        row = await transaction.fetchrow(self.TARGET, user_id=user_id)
        if row is None or (by_address and row["canonical_email"] != canonical):
            return None
        return _held(row)

    # SECURITY: only while the mail is still to be sent; what withdraws a change of address withdraws its mails
    MINT = Statement("""
        INSERT INTO mail_tokens (
            digest, purpose, user_id, email, canonical_email, other_canonical, expires_at, created_at
        )
        SELECT
            $digest, $purpose, $user_id, $email, $canonical_email, $other_canonical, now() + $ttl::interval, created_at
        FROM mails
        WHERE id = $mail_id
        RETURNING digest
    """)

    async def mint(self, mail: MailRecord, purpose: Purpose, digest: bytes, ttl: timedelta) -> str | None:
        """Make the token of a mail that is about to be sent, and return the address to send it to.

        None, and there is no token: it is not to be sent any more, or to nobody.
        """
        email, other = mail.email, mail.other_email
        if purpose == "email_agree":
            email, other = other or "", email
        user_id = None
        async with self._database.transaction() as transaction:
            if purpose != "register":
                user = await self._target(transaction, mail.user_id, mail.canonical_email)
                if user is None:
                    return None
                if purpose in ("email_change", "email_agree") and user.canonical_email != canonical_email(other or ""):
                    return None
                user_id = user.id
                if purpose in ("reset", "invite", "verify"):
                    # SECURITY: to the stored address, not to another one that only has the same canonical form
                    email = user.email
            row = await transaction.fetchrow(
                self.MINT, mail_id=mail.id, digest=digest, purpose=purpose, user_id=user_id, email=email,
                canonical_email=canonical_email(email), ttl=ttl,
                other_canonical=None if other is None else canonical_email(other),
            )  # fmt: skip
        if row is None:
            return None
        return mail.email if purpose == "email_agree" else email

    # -- using them

    FIND = Statement("""
        SELECT digest, purpose, user_id, email, canonical_email, other_canonical, expires_at, created_at
        FROM mail_tokens
        WHERE digest = $digest AND expires_at > now()
    """)

    async def find(self, digest: bytes, *purposes: Purpose) -> MailToken:
        """A token that still counts, for one of these purposes if any are named.

        Raises:
            DeadLink: there is none.
        """
        row = await self._database.fetchrow(self.FIND, digest=digest)
        if row is None or (purposes and row["purpose"] not in purposes):
            raise DeadLink
        return _token(row)

    LOCK = Statement("""
        SELECT id, email, canonical_email FROM users WHERE id = $user_id AND disabled_at IS NULL FOR UPDATE
    """)

    # SECURITY: a way back from a change of address survives whatever a thief does; it ends by itself
    USE = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        DELETE FROM mail_tokens USING clock
        WHERE user_id = $user_id AND purpose <> 'email_undo'
        RETURNING digest = $digest AND expires_at > clock.t AS is_it
    """)

    USE_ALONE = Statement("""
        DELETE FROM mail_tokens WHERE digest = $digest AND expires_at > now() RETURNING digest
    """)

    # of changes of address that were asked for later, the ways back lead to a thief
    USE_UNDO = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        DELETE FROM mail_tokens USING clock
        WHERE user_id = $user_id
            AND (purpose <> 'email_undo' OR digest = $digest OR mail_tokens.created_at > $created_at)
        RETURNING digest = $digest AND expires_at > clock.t AS is_it
    """)

    WITHDRAW = Statement("""
        DELETE FROM mails
        WHERE user_id = $user_id AND (
            kind IN ('email_change', 'email_agree') OR kind = 'email_changed_notice' AND created_at > $since
        )
    """)

    async def _lock(self, transaction: Transaction, token: MailToken, canonical: str | None) -> _HeldUser:
        """Hold the token's user, if the address is still this one; None: whatever it is."""
        row = await transaction.fetchrow(self.LOCK, user_id=token.user_id)
        if row is None or (canonical is not None and row["canonical_email"] != canonical):
            raise DeadLink
        return _held(row)

    REGISTER = Statement(f"""
        INSERT INTO users (email, canonical_email, name, email_verified_at, password_hash)
        VALUES ($email, $canonical_email, $name, now(), $password_hash)
        RETURNING {USER_COLUMNS}
    """)

    async def register(self, token: MailToken, *, name: str, password_hash: str) -> UserRecord:
        """Make the user whose mailbox has answered.

        Raises:
            DeadLink: the token was used meanwhile.
            EmailTaken: another user got this address meanwhile.
        """
        try:
            async with self._database.transaction() as transaction:
                if await transaction.fetchrow(self.USE_ALONE, digest=token.digest) is None:
                    raise DeadLink
                row = await transaction.fetchrow(
                    self.REGISTER, email=token.email, canonical_email=token.canonical_email, name=name,
                    password_hash=password_hash,
                )  # fmt: skip
                assert row is not None  # noqa: S101 -- an INSERT returns its row
                user = _user(row)
                await self._emails.claim(transaction, token.canonical_email, user.id)
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error
        return user

    RESET = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE users
        SET password_hash = $password_hash, updated_at = clock.t,
            email_verified_at = coalesce(nullif(users.email_verified_at, '-infinity'), clock.t)
        FROM clock
        WHERE id = $user_id
    """)

    async def reset(self, token: MailToken, *, password_hash: str, language: Language) -> None:
        """Give the user another password and end all sessions; the mailbox has answered, so the address is verified.

        Raises:
            DeadLink: the token was used meanwhile, or the user was disabled, deleted or has another address.
        """
        async with self._database.transaction() as transaction:
            user = await self._lock(transaction, token, token.canonical_email)
            await self._use(transaction, token)
            await transaction.fetch(self.RESET, user_id=user.id, password_hash=password_hash)
            await transaction.fetch(self.WITHDRAW, user_id=user.id, since=None)
            await self._cut.set(transaction, user.id, password_changed=True)
            await transaction.fetch(SessionRepository.END_ALL, user_id=user.id)
            await self._mails.write("password_reset", user.email, language, user_id=user.id, transaction=transaction)

    VERIFY = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE users SET email_verified_at = coalesce(nullif(users.email_verified_at, '-infinity'), clock.t)
        FROM clock
        WHERE id = $user_id
    """)

    async def verify(self, token: MailToken) -> None:
        """Note that the user's mailbox has answered.

        Raises:
            DeadLink: the token was used meanwhile, or the user was disabled, deleted or has another address.
        """
        async with self._database.transaction() as transaction:
            user = await self._lock(transaction, token, token.canonical_email)
            if await transaction.fetchrow(self.USE_ALONE, digest=token.digest) is None:
                raise DeadLink
            await transaction.fetch(self.VERIFY, user_id=user.id)

    CHANGE_EMAIL = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE users
        SET email = $email, canonical_email = $canonical_email, email_verified_at = clock.t, updated_at = clock.t,
            password_hash = coalesce($password_hash, users.password_hash)
        FROM clock
        WHERE id = $user_id
    """)

    async def agree(self, token: MailToken, language: Language) -> None:
        """The old address has agreed to a change: ask the new one.

        Raises:
            DeadLink: the token was used meanwhile, or the user was disabled, deleted or has another address.
        """
        async with self._database.transaction() as transaction:
            user = await self._lock(transaction, token, token.other_canonical)
            if await transaction.fetchrow(self.USE_ALONE, digest=token.digest) is None:
                raise DeadLink
            await self._mails.write(
                "email_change", token.email, language, user_id=user.id, other_email=user.email, transaction=transaction
            )

    # the link was mailed at the asking, which may lie further back than expected where both addresses are asked
    PROLONG_UNDO = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE mail_tokens SET expires_at = greatest(mail_tokens.expires_at, clock.t + $undo_for::interval)
        FROM clock
        WHERE user_id = $user_id AND purpose = 'email_undo'
            AND canonical_email = $old_canonical AND other_canonical = $new_canonical
    """)

    async def change_email(self, token: MailToken, *, undo_for: timedelta) -> None:
        """The new address has answered: it is the user's from now on, and the old one can undo that for so long.

        Raises:
            DeadLink: the token was used meanwhile, or the user was disabled, deleted or has another address.
            EmailTaken: another user has the new address.
        """
        try:
            async with self._database.transaction() as transaction:
                user = await self._lock(transaction, token, token.other_canonical)
                await self._use(transaction, token)
                await self._give_email(transaction, user, token, password_hash=None)
                await transaction.fetch(
                    self.PROLONG_UNDO, user_id=user.id, old_canonical=user.canonical_email,
                    new_canonical=token.canonical_email, undo_for=undo_for,
                )  # fmt: skip
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error

    async def undo_email_change(self, token: MailToken, language: Language) -> None:
        """Bring the old address back, or keep it; end all sessions, take the password away and mail a way to another.

        Raises:
            DeadLink: the token was used meanwhile, or the user was disabled or deleted.
            EmailTaken: another user has the old address by now.
        """
        try:
            async with self._database.transaction() as transaction:
                user = await self._lock(transaction, token, None)
                used = await transaction.fetch(
                    self.USE_UNDO, user_id=user.id, digest=token.digest, created_at=token.created_at
                )
                if not any(row["is_it"] for row in used):
                    raise DeadLink
                await self._give_email(transaction, user, token, password_hash=NO_PASSWORD)
                await transaction.fetch(self.WITHDRAW, user_id=user.id, since=token.created_at)
                await self._cut.set(transaction, user.id, password_changed=True)
                await transaction.fetch(SessionRepository.END_ALL, user_id=user.id)
                await self._mails.write("reset", token.email, language, user_id=user.id, transaction=transaction)
        except asyncpg.UniqueViolationError as error:
            raise EmailTaken from error

    async def _use(self, transaction: Transaction, token: MailToken) -> None:
        """Delete the token, and with it all of its user's but the ways back from a change of address."""
        used = await transaction.fetch(self.USE, user_id=token.user_id, digest=token.digest)
        if not any(row["is_it"] for row in used):
            raise DeadLink

    async def _give_email(
        self, transaction: Transaction, user: _HeldUser, token: MailToken, *, password_hash: str | None
    ) -> None:
        await transaction.fetch(
            self.CHANGE_EMAIL, user_id=user.id, email=token.email, canonical_email=token.canonical_email,
            password_hash=password_hash,
        )  # fmt: skip
        if token.canonical_email != user.canonical_email:
            await self._emails.claim(transaction, token.canonical_email, user.id)
            await self._emails.release(transaction, user.canonical_email, user.id)

    PRUNE = Statement(delete_dead("mail_tokens", "digest", "expires_at <= now()"))

    async def prune(self, batch: int = 1000) -> int:
        """Delete some tokens past their lifetime; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, batch=batch))
