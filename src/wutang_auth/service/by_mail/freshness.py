"""Freshness: what asks for a login, or for the password once more, a short time before (ASVS 5.0, 7.5.1)."""

from datetime import timedelta
from typing import NoReturn

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.database import Transaction
from wutang_auth.errors import NotFresh, Unavailable, WrongCurrentPassword
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import SessionRepository, UserRepository
from wutang_auth.service.auth import Caller
from wutang_auth.service.throttle import Throttle


class FreshnessService:
    """Knows when a session's user last proved who it is."""

    def __init__(
        self,
        *,
        users: UserRepository,
        sessions: SessionRepository,
        passwords: Passwords,
        throttle: Throttle,
        max_age: int,
    ) -> None:
        """`max_age` is how many seconds the proof may lie back; `throttle` is that of logins."""
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle
        self._max_age = max_age

    async def ensure(self, caller: Caller, transaction: Transaction | None = None) -> None:
        """Let on whoever proved lately who it is; with a transaction, nobody shuts it out before the end of that.

        Raises:
            NotFresh: it lies too far back, or the session has ended.
        """
        max_age = timedelta(seconds=self._max_age)
        if not await self._sessions.is_fresh(caller.user.id, caller.session_id, max_age, transaction):
            raise NotFresh(self._max_age)

    async def reauthenticate(self, caller: Caller, password: str) -> None:
        """Prove by the password that it is still the user; a wrong one counts as an attempt to log in.

        Raises:
            WrongCurrentPassword: the password is another one.
            TooManyAttempts: the account or the address has to wait.
            Overloaded: too many passwords wait to be hashed.
        """
        user = caller.user
        self._passwords.ensure_room()
        attempt = await self._throttle.admit(user.email, request_context.get().client_address)
        # twice at most: a login may upgrade the stored hash between our look at it and the note
        for _ in range(2):
            try:
                credentials = await self._users.credentials(user.id)
                stored_hash = None if credentials is None else credentials.password_hash
                verdict = await self._passwords.verify(password, stored_hash)
            except Unavailable:
                await self._throttle.refund(attempt)
                raise
            if credentials is None or not verdict.matches:
                self._refuse(caller, "wrong password")
            verified = credentials.password_hash
            if await self._sessions.reauthenticate(user.id, caller.session_id, verified_hash=verified):
                await self._throttle.forgive(attempt)
                audit.record("reauthenticated", user_id=user.id, session_id=caller.session_id)
                return
        self._refuse(caller, "changed meanwhile")

    def _refuse(self, caller: Caller, why: audit.Reason) -> NoReturn:
        audit.record("reauthentication_failed", user_id=caller.user.id, session_id=caller.session_id, reason=why)
        raise WrongCurrentPassword
