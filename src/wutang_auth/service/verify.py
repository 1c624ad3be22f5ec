"""Verification for gateways, which ask about each request of their clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wutang_auth.errors import InsufficientScope
from wutang_auth.service.auth import AuthService


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is, and what its user may do."""

    user_id: int
    session_id: UUID
    scopes: Sequence[str]


class VerifyService:
    """Tells gateways who their clients are."""

    def __init__(self, auth: AuthService) -> None:
        self._auth = auth

    async def verify(self, token: str, needed: Sequence[str]) -> Identity:
        """Let in the bearer of an access token, or of a legacy token, who has all scopes that are needed.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not an access token of ours.
            SessionEnded: logged out, refreshed since, or its user was disabled or deleted.
            InsufficientScope: a scope is missing.
        """
        caller = await self._auth.recognize(token)
        identity = Identity(caller.user.id, caller.session_id, caller.user.scopes)
        if not set(needed) <= set(identity.scopes):
            raise InsufficientScope(" ".join(needed))
        return identity
