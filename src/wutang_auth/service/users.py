"""The accounts: created, listed, changed and deleted by administrators and operators."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from wutang_auth import audit
from wutang_auth.errors import MailIsOff, ScopeNotHeld, SelfLockout
from wutang_auth.fields import NO_PASSWORD
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import (
    SessionRecord,
    SessionRepository,
    StoredUser,
    UserChange,
    UserRecord,
    UserRepository,
)
from wutang_auth.response_codes import Language
from wutang_auth.service.auth import Caller

_EXPORT_PAGE = 1000
_REVOKED_PAGE = 500


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be."""

    email: str
    password: str | None = field(repr=False)
    """None: the user is invited to choose it."""
    name: str = ""
    scopes: list[str] = field(default_factory=list)
    disabled: bool = False
    email_verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users in the order of their ids."""

    users: list[UserRecord]
    next: int | None
    """After which id the next page begins; None at the end."""


class UserService:
    """What may be done to accounts.

    `actor` is who does it: a caller, who has only so much to give, or None for an operator at the command line.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        sessions: SessionRepository,
        passwords: Passwords,
        rules: PasswordRules,
        mail_language: Language | None = None,
        ensure_fresh: Callable[[Caller], Awaitable[None]] | None = None,
    ) -> None:
        """`mail_language` is that of invitations and notices; None: mail is off.

        `ensure_fresh` lets on whoever proved lately who it is; None: nobody can prove it again.
        """
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._rules = rules
        self._mail_language = mail_language
        self._ensure_fresh = ensure_fresh

    async def create_user(self, actor: Caller | None, new: NewUser) -> UserRecord:
        """Add a user.

        Raises:
            InvalidParameters: the password breaks a rule.
            ScopeNotHeld: the actor lacks one of the scopes.
            EmailTaken: another user has this e-mail, in some spelling.
            MailIsOff: the user is to be invited, and there is no mail.
            Overloaded: too many passwords wait to be hashed.
        """
        if actor is not None and not set(new.scopes) <= set(actor.user.scopes):
            raise ScopeNotHeld
        password_hash = NO_PASSWORD
        if new.password is not None:
            self._rules.check(new.password, email=new.email, name=new.name)
            password_hash = await self._passwords.hash(new.password)
        elif self._mail_language is None:
            raise MailIsOff
        user = await self._users.create(
            email=new.email,
            name=new.name,
            password_hash=password_hash,
            scopes=new.scopes,
            disabled=new.disabled,
            email_verified_at=new.email_verified_at,
            invite_in=self._mail_language if new.password is None else None,
        )
        audit.record("user_created" if new.password is not None else "invited", user_id=user.id, actor_id=_id(actor))
        return user

    async def get_user(self, user_id: int) -> UserRecord:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        return await self._users.get(user_id)

    async def find_user(self, email: str) -> UserRecord:
        """The user with this e-mail, in any spelling.

        Raises:
            NotFound: there is none.
        """
        return await self._users.find(email)

    async def list_users(self, *, after: int = 0, limit: int, email: str | None = None) -> UserPage:
        """The users that follow an id, at most `limit`; with an e-mail, in any spelling, only its user."""
        users = await self._users.list(after=after, limit=limit + 1, email=email)
        if len(users) <= limit:
            return UserPage(users, None)
        return UserPage(users[:limit], users[limit - 1].id)

    async def export_users(self) -> AsyncIterator[StoredUser]:
        """Every user with the password hash, in the order of their ids; for operators."""
        after = 0
        while page := await self._users.export(after=after, limit=_EXPORT_PAGE):
            for stored in page:
                yield stored
            after = page[-1].user.id

    async def update_user(
        self, actor: Caller | None, user_id: int, change: UserChange, *, password: str | None = None
    ) -> UserRecord:
        """Change a user; a new password or disabling ends the sessions, and what is taken away is gone at once.

        Raises:
            InvalidParameters: the password breaks a rule.
            NotFound: there is no such user.
            EmailTaken: another user has the new e-mail, in some spelling.
            ScopeNotHeld: the actor lacks a scope that is given; or that the user has whose password or e-mail changes.
            SelfLockout: the actor would disable itself or lose a scope, which it could not give back.
            NotFresh: the actor's own password or e-mail changes, and its last proof of who it is lies too far back.
            Overloaded: too many passwords wait to be hashed.
        """
        if actor is not None and actor.user.id == user_id:
            loses = change.scopes is not None and not set(actor.user.scopes) <= set(change.scopes)
            if change.disabled or loses:
                raise SelfLockout
            changes_email = change.email not in (None, actor.user.email)
            # SECURITY: who has found a token has no account with it (ASVS 5.0, 7.5.1)
            if self._ensure_fresh is not None and (changes_email or password is not None):
                await self._ensure_fresh(actor)
        if password is not None:
            user = await self._users.get(user_id)
            self._rules.check(password, email=change.email or user.email, name=change.name or user.name)
            change = replace(change, password_hash=await self._passwords.hash(password))
        changed = change.changed
        if not changed:
            return await self._users.get(user_id)
        updated = await self._users.update(
            user_id,
            change,
            held=None if actor is None else actor.user.scopes,
            by_owner=_id(actor) == user_id,
            notify_in=self._mail_language,
        )
        audit.record("user_changed", user_id=user_id, actor_id=_id(actor), changed=changed)
        return updated

    async def update_me(self, caller: Caller, *, name: str) -> UserRecord:
        """Change what users may change of themselves; their e-mail and password have steps of their own.

        Raises:
            NotFound: the caller was deleted meanwhile.
        """
        return await self.update_user(caller, caller.user.id, UserChange(name=name))

    async def change_scopes(self, user_id: int, *, given: Sequence[str] = (), taken: Sequence[str] = ()) -> UserRecord:
        """Give some scopes and take others, whatever else the user has; for operators.

        Raises:
            NotFound: there is no such user.
        """
        user = await self._users.change_scopes(user_id, given=given, taken=taken)
        audit.record("user_changed", user_id=user_id, changed=["scopes"])
        return user

    async def change_email(self, user_id: int, email: str) -> UserRecord:
        """Give a user another address, also before the schema is at head; for operators.

        Raises:
            NotFound: there is no such user.
            EmailTaken: another user has this e-mail, in some spelling.
        """
        user = await self._users.change_email(user_id, email)
        audit.record("user_changed", user_id=user_id, changed=["email"])
        return user

    async def delete_user(self, actor: Caller | None, user_id: int) -> None:
        """Delete a user and end its sessions.

        Raises:
            NotFound: there is no such user.
            SelfLockout: the actor would delete itself.
        """
        if actor is not None and actor.user.id == user_id:
            raise SelfLockout
        await self._users.delete(user_id)
        audit.record("user_deleted", user_id=user_id, actor_id=_id(actor))

    async def sessions_of(self, user_id: int) -> list[SessionRecord]:
        """The live sessions of a user, newest first."""
        return await self._sessions.list(user_id)

    async def revoke_sessions(self, user_id: int) -> int:
        """End every session of a user and count them."""
        ended = await self._sessions.end_all(user_id)
        audit.record("sessions_revoked", user_id=user_id)
        return ended

    async def revoke_all_sessions(self, *, began_before: datetime | None = None) -> int:
        """End the sessions of all users, those that began before then if a time is given, and count them.

        Some users at a time: whoever logs in meanwhile may have to do so again. What is done is done if it fails later.
        """
        ended = after = 0
        while user_ids := await self._users.list_ids(after=after, limit=_REVOKED_PAGE):
            ended += await self._sessions.end_many(user_ids, began_before=began_before)
            after = user_ids[-1]
        audit.record("sessions_revoked", reason="all" if began_before is None else "all that began before")
        return ended


def _id(actor: Caller | None) -> int | None:
    return None if actor is None else actor.user.id
