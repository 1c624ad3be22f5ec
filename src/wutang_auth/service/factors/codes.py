"""Codes of an app: compared with the user's secret, so and so many at most."""

from dataclasses import dataclass
from typing import NoReturn

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.errors import SecretUnreadable, WrongCode
from wutang_auth.repository import StoredTotp, TotpRepository
from wutang_auth.second_factor import totp
from wutang_auth.second_factor.secret_box import SealedSecret, SecretBox
from wutang_auth.service.throttle import Attempt, Throttle


@dataclass(frozen=True, slots=True)
class RightCode:
    """A code that is right, but may be used up."""

    totp: StoredTotp
    step: int
    """The time step that it is of."""
    attempt: Attempt


class CodeCheck:
    """Compares codes, and slows down guessing: by user, in a bucket of its own beside that of passwords."""

    def __init__(self, *, totps: TotpRepository, box: SecretBox, throttle: Throttle) -> None:
        self._totps = totps
        self._box = box
        self._throttle = throttle

    async def find(self, user_id: int) -> StoredTotp | None:
        """What to compare codes of this user with; None: it has no app."""
        return await self._totps.find(user_id)

    async def admit(self, user_id: int) -> Attempt:
        """Count an attempt to pass the second factor.

        Raises:
            TooManyAttempts: there were too many; nothing must be looked at.
        """
        return await self._throttle.admit(str(user_id), request_context.get().client_address)

    async def check(self, stored: StoredTotp, code: str) -> RightCode:
        """Compare a code; that it is used once, is up to the statement that the step is handed to.

        Raises:
            WrongCode: it is another one, or of another time.
            TooManyAttempts: there were too many attempts.
            SecretUnreadable: there is nothing to compare it with.
        """
        attempt = await self.admit(stored.user_id)
        try:
            secret = self._box.open(SealedSecret(stored.kid, stored.secret), user_id=stored.user_id)
        except SecretUnreadable:
            await self._throttle.refund(attempt)
            raise
        step = totp.matching_step(secret, code, stored.at)
        if step is None or step <= stored.last_step:
            self.refuse(stored.user_id, "wrong code" if step is None else "used code")
        return RightCode(stored, step, attempt)

    def refuse(self, user_id: int, reason: audit.Reason) -> NoReturn:
        """Tell the audit trail.

        Raises:
            WrongCode: always.
        """
        audit.record("second_factor_failed", user_id=user_id, reason=reason)
        raise WrongCode

    async def accept(self, right: RightCode) -> None:
        """The code was used, and let somebody in: forget the attempts; encrypt the secret with the present key."""
        await self._throttle.forgive(right.attempt)
        stored = right.totp
        sealed = SealedSecret(stored.kid, stored.secret)
        if self._box.is_outdated(sealed):
            secret = self._box.open(sealed, user_id=stored.user_id)
            again = self._box.seal(secret, user_id=stored.user_id)
            await self._totps.reencrypt(stored, secret=again.content, kid=again.kid)

    async def forgive(self, attempt: Attempt) -> None:
        """Forget the attempts: this one passed."""
        await self._throttle.forgive(attempt)

    async def refund(self, attempt: Attempt) -> None:
        """Do not count this attempt: nothing was looked at."""
        await self._throttle.refund(attempt)
