"""The second step of a login: a code of the app, or a recovery code."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.errors import InvalidCredentials, TooManyAttempts, Unavailable, WrongCode
from wutang_auth.repository import Challenge, ChallengeRepository
from wutang_auth.response_codes import Language
from wutang_auth.second_factor import recovery_codes
from wutang_auth.service.factors.codes import CodeCheck
from wutang_auth.service.session_start import SessionStart
from wutang_auth.service.throttle import Throttle, pause_before_refusal
from wutang_auth.tokens.access import TokenPair

_CHALLENGE_SECONDS: Final = 300
_ATTEMPTS: Final = 5
_BY_CODE: Final = ("pwd", "otp", "mfa")
_BY_RECOVERY_CODE: Final = ("pwd", "mfa")


@dataclass(frozen=True, slots=True)
class SecondLogin:
    """A login that is complete."""

    pair: TokenPair
    new_recovery_code: str | None = field(default=None, repr=False)
    """What replaces the one that was used; it is shown this once."""


class SecondFactorLogin:
    """Lets in who has a second factor, and gives no token before."""

    expires_in = _CHALLENGE_SECONDS
    methods = ("totp", "recovery_code")
    """Of which one is needed."""

    def __init__(
        self,
        *,
        challenges: ChallengeRepository,
        codes: CodeCheck,
        starts: SessionStart,
        logins: Throttle,
        tells_by_mail: bool,
    ) -> None:
        """`logins` is the throttle of passwords; `tells_by_mail`: users hear by mail that a recovery code was used."""
        self._challenges = challenges
        self._codes = codes
        self._starts = starts
        self._logins = logins
        self._tells_by_mail = tells_by_mail

    async def ask(self, user_id: int, verified_hash: str) -> str | None:
        """The challenge of a login whose password was right; None: the user has no second factor, or was changed."""
        challenge = secrets.token_urlsafe(32)
        is_asked = await self._challenges.ask(
            _digest(challenge),
            user_id=user_id,
            verified_hash=verified_hash,
            ttl=timedelta(seconds=_CHALLENGE_SECONDS),
        )
        if not is_asked:
            return None
        audit.record("second_factor_asked", user_id=user_id)
        return challenge

    async def login_second(
        self, challenge: str, *, code: str | None = None, recovery_code: str | None = None, language: Language = "zh"
    ) -> SecondLogin:
        """Start the session of a login that waits for its second factor, by one of the two.

        Raises:
            InvalidCredentials: the code is wrong or used; or the challenge is past its time, was tried five times or
                used, or the user was changed meanwhile.
            TooManyAttempts: there were too many attempts at the user's second factor.
            SecretUnreadable: there is nothing to compare the code with.
        """
        found = await self._challenges.attempt(_digest(challenge), most=_ATTEMPTS)
        if found is None:
            audit.record("second_factor_failed", reason="no such challenge")
            raise InvalidCredentials
        try:
            if code is not None:
                done = SecondLogin(await self._by_code(found, code))
            else:
                done = await self._by_recovery_code(found, recovery_code or "", language)
        except WrongCode:
            raise InvalidCredentials from None
        except TooManyAttempts:
            audit.record("second_factor_failed", user_id=found.user_id, reason="too many attempts")
            await pause_before_refusal()
            raise
        # SECURITY: only now; who knows the password alone has its attempts counted on
        await self._logins.forgive(self._logins.earlier(found.email, request_context.get().client_address))
        return done

    async def _by_code(self, challenge: Challenge, code: str) -> TokenPair:
        stored = await self._codes.find(challenge.user_id)
        if stored is None:
            self._codes.refuse(challenge.user_id, "changed meanwhile")
        right = await self._codes.check(stored, code)
        new = self._starts.new()
        started = await self._challenges.begin_by_code(challenge, new, step=right.step)
        if started is None:
            self._codes.refuse(challenge.user_id, "used code")
        await self._codes.accept(right)
        return self._starts.begun(challenge.user_id, new, started, _BY_CODE)

    async def _by_recovery_code(self, challenge: Challenge, code: str, language: Language) -> SecondLogin:
        attempt = await self._codes.admit(challenge.user_id)
        new, new_code = self._starts.new(), recovery_codes.new_code()
        try:
            started = await self._challenges.begin_by_recovery_code(
                challenge,
                new,
                code=recovery_codes.digest_of(code),
                new_code=recovery_codes.digest_of(new_code),
                notify_in=language if self._tells_by_mail else None,
            )
        except Unavailable:
            await self._codes.refund(attempt)
            raise
        if started is None:
            self._codes.refuse(challenge.user_id, "wrong code")
        await self._codes.forgive(attempt)
        audit.record("recovery_code_used", user_id=challenge.user_id, session_id=new.session_id)
        return SecondLogin(self._starts.begun(challenge.user_id, new, started, _BY_RECOVERY_CODE), new_code)


def _digest(challenge: str) -> bytes:
    return sha256(challenge.encode()).digest()
