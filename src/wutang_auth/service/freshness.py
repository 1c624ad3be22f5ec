"""Freshness: what asks for a login, or for the same proof once more, a short time before (ASVS 5.0, 7.5.1)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NoReturn

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.database import Transaction
from wutang_auth.errors import FieldError, InvalidParameters, NotFresh, Unavailable, WrongCurrentPassword
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import CredentialRepository, SessionRepository
from wutang_auth.service.auth import Caller
from wutang_auth.service.throttle import Throttle

if TYPE_CHECKING:
    from wutang_auth.service.factors.codes import CodeCheck  # not imported where there are no second factors


class FreshnessService:
    """Knows when a session's user last proved who it is."""

    def __init__(
        self,
        *,
        credentials: CredentialRepository,
        sessions: SessionRepository,
        passwords: Passwords,
        throttle: Throttle,
        max_age: int,
        codes: "CodeCheck | None" = None,
    ) -> None:
        """`max_age` is how many seconds the proof may lie back; `throttle` is that of logins.

        `codes` is there where there are second factors: who has one proves it by both.
        """
        self._credentials = credentials
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle
        self._max_age = max_age
        self._codes = codes

    async def ensure(self, caller: Caller, transaction: Transaction | None = None) -> None:
        """Let on whoever proved lately who it is; with a transaction, nobody shuts it out before the end of that.

        Raises:
            NotFresh: it lies too far back, or the session has ended.
        """
        max_age = timedelta(seconds=self._max_age)
        if not await self._sessions.is_fresh(caller.user.id, caller.session_id, max_age, transaction):
            raise NotFresh(self._max_age, methods=await self.methods(caller.user.id))

    async def methods(self, user_id: int) -> Sequence[str]:
        """By what a user proves who it is, all of them."""
        has_app = self._codes is not None and await self._codes.find(user_id) is not None
        return ("password", "totp") if has_app else ("password",)

    async def reauthenticate(self, caller: Caller, password: str, code: str | None = None) -> None:
        """Prove that it is still the user: by the password, and by a code where the user has an app.

        A wrong password counts as an attempt to log in, a wrong code as one at the second factor.

        Raises:
            InvalidParameters: the code is missing.
            WrongCurrentPassword: the password is another one.
            WrongCode: the code is another one, or used up.
            TooManyAttempts: the account, its second factor or the address has to wait.
            Overloaded: too many passwords wait to be hashed.
            SecretUnreadable: there is nothing to compare the code with.
        """
        user = caller.user
        stored = None if self._codes is None else await self._codes.find(user.id)
        if stored is not None and code is None:
            raise InvalidParameters([FieldError("code", "missing")])
        self._passwords.ensure_room()
        attempt = await self._throttle.admit(user.email, request_context.get().client_address)
        right = None
        # twice at most: a login may upgrade the stored hash between our look at it and the note
        for _ in range(2):
            try:
                verified_hash = await self._verified_hash(caller, password)
                if self._codes is not None and stored is not None and code is not None and right is None:
                    right = await self._codes.check(stored, code)
            except Unavailable:
                await self._throttle.refund(attempt)
                raise
            step = None if right is None else right.step
            if await self._sessions.reauthenticate(user.id, caller.session_id, verified_hash=verified_hash, step=step):
                await self._throttle.forgive(attempt)
                if self._codes is not None and right is not None:
                    await self._codes.accept(right)
                audit.record("reauthenticated", user_id=user.id, session_id=caller.session_id)
                return
        self._refuse(caller, "changed meanwhile")

    async def _verified_hash(self, caller: Caller, password: str) -> str:
        """The stored hash, which the password matches."""
        credentials = await self._credentials.get(caller.user.id)
        stored_hash = None if credentials is None else credentials.password_hash
        verdict = await self._passwords.verify(password, stored_hash)
        if credentials is None or not verdict.matches:
            self._refuse(caller, "wrong password")
        return credentials.password_hash

    def _refuse(self, caller: Caller, why: Literal["wrong password", "changed meanwhile"]) -> NoReturn:
        audit.record("reauthentication_failed", user_id=caller.user.id, session_id=caller.session_id, reason=why)
        raise WrongCurrentPassword
