"""What a password is good for: to log in, and to be replaced by another one."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.errors import (
    DatabaseUnavailable,
    InvalidCredentials,
    Overloaded,
    SecondFactorNeeded,
    TooManyAttempts,
    Unavailable,
    WrongCurrentPassword,
)
from wutang_auth.passwords.hashing import Verdict
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import CredentialRepository, Credentials, SessionRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.auth.caller import Caller
from wutang_auth.service.session_start import SessionStart
from wutang_auth.service.throttle import Attempt, Throttle, pause_before_refusal
from wutang_auth.tokens.access import TokenPair

if TYPE_CHECKING:
    from wutang_auth.service.factors import SecondFactorLogin  # not imported where there are no second factors

RefuseUnverified = Callable[[int, str, Language], Awaitable[None]]
"""Takes the user's id, the e-mail that was sent, and the language that the client prefers."""


class LoginService:
    """What is done by password."""

    def __init__(
        self,
        *,
        credentials: CredentialRepository,
        sessions: SessionRepository,
        passwords: Passwords,
        rules: PasswordRules,
        throttle: Throttle,
        starts: SessionStart,
        tells_by_mail: bool = False,
        refuse_unverified: RefuseUnverified | None = None,
        second_factor: "SecondFactorLogin | None" = None,
    ) -> None:
        """`tells_by_mail`: users hear by mail of what happens to their passwords.

        `refuse_unverified` ends a login whose address is not verified; None: it need not be.

        `second_factor` is there where there are second factors.
        """
        self._credentials = credentials
        self._sessions = sessions
        self._passwords = passwords
        self._rules = rules
        self._throttle = throttle
        self._starts = starts
        self._tells_by_mail = tells_by_mail
        self._refuse_unverified = refuse_unverified
        self._second_factor = second_factor

    async def login(
        self, email: str, password: str, language: Language = "zh", *, code: str | None = None
    ) -> TokenPair:
        """Start a session; of who has a second factor by `code`, or not yet.

        Raises:
            InvalidCredentials: unknown user, wrong password, wrong code or disabled user; which, is not told.
            EmailNotVerified: the password is right, the address is not verified, and must be.
            SecondFactorNeeded: the password is right, and there was no code.
            TooManyAttempts: the account, its second factor or the address has to wait.
            Overloaded: too many passwords wait to be hashed.
            SecretUnreadable: there is nothing to compare the code with.
        """
        attempt = await self._admit(email)
        try:
            return await self._begin_session(email, password, attempt, language, code)
        except Unavailable:
            await self._refund(attempt)
            raise

    async def _begin_session(
        self, email: str, password: str, attempt: Attempt, language: Language, code: str | None
    ) -> TokenPair:
        # twice at most: another login may upgrade the stored hash between our look at it and the new session
        for _ in range(2):
            credentials = await self._verified_credentials(email, password)
            if self._refuse_unverified is not None and not credentials.is_verified:
                await self._forgive_first(attempt)
                audit.record("login_failed", user_id=credentials.user_id, reason="address not verified")
                await self._refuse_unverified(credentials.user_id, email, language)
            new = self._starts.new()
            started = await self._sessions.create(credentials.user_id, new, verified_hash=credentials.password_hash)
            if started is not None:
                await self._throttle.forgive(attempt)
                return self._starts.begun(credentials.user_id, new, started, ["pwd"])
            if self._second_factor is not None:
                challenge = await self._second_factor.ask(credentials.user_id, credentials.password_hash)
                if challenge is not None:
                    return await self._finish(challenge, code)
        audit.record("login_failed", user_id=credentials.user_id, reason="changed meanwhile")
        raise InvalidCredentials

    async def _finish(self, challenge: str, code: str | None) -> TokenPair:
        """The second step of a login: at once by the code that came with the password, else later."""
        assert self._second_factor is not None  # noqa: S101 -- the challenge is its
        if code is None:
            raise SecondFactorNeeded(challenge, self._second_factor.expires_in, self._second_factor.methods)
        return (await self._second_factor.login_second(challenge, code=code)).pair

    async def _forgive_first(self, attempt: Attempt) -> None:
        """The password was right, and nobody is let in."""
        if self._second_factor is None:
            await self._throttle.forgive(attempt)
        else:
            # SECURITY: who knows the password alone gets no clean sheet by it
            await self._throttle.refund(attempt)

    async def change_password(
        self, caller: Caller, current_password: str, new_password: str, language: Language = "zh"
    ) -> None:
        """Replace the caller's password; the other sessions end, this one stays.

        Raises:
            InvalidParameters: the new one breaks a rule.
            WrongCurrentPassword: the password to be replaced is another one.
            TooManyAttempts: the account or the address has to wait.
            Overloaded: too many passwords wait to be hashed.
        """
        user = caller.user
        self._rules.check(
            new_password, email=user.email, name=user.name, current=current_password, field="new_password"
        )
        attempt = await self._admit(user.email)
        # twice at most: a login may upgrade the stored hash between our look at it and the new one
        for _ in range(2):
            try:
                credentials = await self._credentials.get(user.id)
                verdict = await self._compare(current_password, credentials)
            except Unavailable:
                await self._refund(attempt)
                raise
            if credentials is None or not verdict.matches:
                audit.record("password_change_failed", user_id=user.id, reason="wrong current password")
                raise WrongCurrentPassword
            await self._throttle.forgive(attempt)
            replaced = await self._credentials.replace_password(
                user.id,
                verified_hash=credentials.password_hash,
                new_hash=await self._passwords.hash(new_password),
                keep_session=caller.session_id,
                notify_in=language if self._tells_by_mail else None,
            )
            if replaced:
                audit.record("password_changed", user_id=user.id, session_id=caller.session_id)
                return
        audit.record("password_change_failed", user_id=user.id, reason="changed meanwhile")
        raise WrongCurrentPassword

    async def calibrate(self) -> None:
        """Choose how to hash, and meet one stored hash of each cost, so that refusals are even from the first on."""
        await self._passwords.choose_library()
        for stored_hash in await self._credentials.sample_hashes():
            await self._passwords.verify("calibration", stored_hash)

    async def _admit(self, email: str) -> Attempt:
        try:
            self._passwords.ensure_room()
            return await self._throttle.admit(email, request_context.get().client_address)
        except (TooManyAttempts, Overloaded) as refusal:
            if isinstance(refusal, TooManyAttempts):
                audit.record("login_failed", reason="too many attempts")
            await pause_before_refusal()
            raise

    async def _refund(self, attempt: Attempt) -> None:
        """Take back an attempt that ends in 503 without a wrong password, if the counters can be reached."""
        with suppress(DatabaseUnavailable):
            await self._throttle.refund(attempt)

    async def _verified_credentials(self, email: str, password: str) -> Credentials:
        credentials = await self._credentials.find(email)
        verdict = await self._compare(password, credentials)
        if credentials is None or not verdict.matches or credentials.is_disabled:
            audit.record(
                "login_failed",
                user_id=credentials.user_id if credentials else None,
                reason="unknown e-mail" if credentials is None else "disabled" if verdict.matches else "wrong password",
            )
            await self._passwords.pad_refusal(verdict)
            raise InvalidCredentials
        if verdict.upgraded_hash is None:
            return credentials
        upgraded = await self._credentials.upgrade_hash(
            credentials.user_id, verified_hash=credentials.password_hash, new_hash=verdict.upgraded_hash
        )
        return replace(credentials, password_hash=verdict.upgraded_hash) if upgraded else credentials

    async def _compare(self, password: str, credentials: Credentials | None) -> Verdict:
        stored_hash = None if credentials is None else credentials.password_hash
        may_upgrade = credentials is not None and not credentials.is_disabled
        return await self._passwords.verify(password, stored_hash, may_upgrade=may_upgrade)
