"""What a legacy token is good for here, and why not, in words for operators."""

from dataclasses import dataclass

from wutang_auth.errors import RefusalReason, TokenExpired, TokenInvalid
from wutang_auth.fields import format_timestamp
from wutang_auth.repository import UserRecord
from wutang_auth.repository.legacy import LegacyRepository, LegacyState
from wutang_auth.tokens.legacy import LegacyClaims, LegacyGate, Purpose

_WORDS: dict[RefusalReason, str] = {
    "wrong algorithm": "its algorithm is not HS256",
    "signature": "its signature was not made with WUTANG_LEGACY_SECRET",
    "other model": "its prv is of none of the models in WUTANG_LEGACY_MODELS",
    "not yet valid": "its iat or nbf lies ahead of the clock of this machine; one of two clocks may be wrong",
}
_REVOKED = {"imported": "it is on the blacklist that was taken over", "logout": "it was logged out here"}
_MALFORMED = "it is no token as jwt-auth makes them"


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """What a token is good for: for each purpose None, or the reason why it is not."""

    claims: LegacyClaims | None
    """What a genuine token says that is not past all its lifetimes."""
    me: str | None
    """At `me` and verify."""
    refresh: str | None
    logout: str | None

    @property
    def reason(self) -> str | None:
        """Why it is good for nothing; None where it is good for something."""
        return self.logout if self.me is not None and self.refresh is not None else None


class TokenCheckService:
    """Looks at legacy tokens as requests do, and changes nothing."""

    def __init__(self, gate: LegacyGate, legacy: LegacyRepository) -> None:
        self._gate = gate
        self._legacy = legacy

    async def check(self, token: str) -> CheckedToken:
        """Say for each purpose whether the token is good for it."""
        if not self._gate.takes(token):
            is_ours = token.startswith("eyJ") and token.count(".") == 2
            return _good_for_nothing("its header has a kid, so that it is no legacy token" if is_ours else _MALFORMED)
        try:
            claims = self._verified(token, "logout")
            if claims is None:
                return _good_for_nothing("it is past its exp, and past its iat + WUTANG_LEGACY_REFRESH_TTL")
            me, refresh = self._verified(token, "access"), self._verified(token, "refresh")
        except TokenInvalid as error:
            return _good_for_nothing(_why(error))
        found = await self._legacy.read(
            user_id=claims.user_id, digest=claims.digest, session_id=claims.session_id, issued_at=claims.issued_at
        )
        reason = f"user {claims.user_id} was not taken over, or is deleted here" if found is None else _why_not(*found)
        if reason is not None:
            return _good_for_nothing(reason, claims)
        expired = f"it expired at {format_timestamp(claims.expires_at)}"
        too_old = f"its iat + WUTANG_LEGACY_REFRESH_TTL was {format_timestamp(claims.refreshable_until)}"
        return CheckedToken(
            claims,
            me=None if me else expired,
            refresh=None if refresh else too_old,
            logout=None,
        )

    def _verified(self, token: str, purpose: Purpose) -> LegacyClaims | None:
        """What a genuine token says; None where it is too old for the purpose.

        Raises:
            TokenInvalid: not genuine.
        """
        try:
            return self._gate.verify(token, purpose)
        except TokenExpired:
            return None


def _good_for_nothing(reason: str, claims: LegacyClaims | None = None) -> CheckedToken:
    return CheckedToken(claims, me=reason, refresh=reason, logout=reason)


def _why(error: TokenInvalid) -> str:
    if isinstance(error.__cause__, KeyError):
        return f"it has no {error.__cause__.args[0]}, which jwt-auth would pass over"
    return _WORDS.get(error.reason, _MALFORMED)


def _why_not(state: LegacyState, user: UserRecord) -> str | None:
    """Why a genuine token counts no more; None where it does."""
    if user.disabled_at is not None:
        return f"user {user.id} is disabled since {format_timestamp(user.disabled_at)}"
    if state.is_refused:
        return f"all sessions of user {user.id} were ended since it was issued"
    if state.reason == "adopted":
        return f"it became a session, which {'has ended' if state.generation is None else 'goes on with our tokens'}"
    return None if state.reason is None else _REVOKED.get(state.reason, "it was revoked")
