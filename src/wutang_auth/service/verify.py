"""Verification for gateways, which ask about each request of their clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wutang_auth.errors import InsufficientScope, SessionEnded
from wutang_auth.service.auth import AuthService
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.tokens.access import Tokens


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is, and what its user may do."""

    user_id: int
    session_id: UUID
    scopes: Sequence[str]


class VerifyService:
    """Tells gateways who their clients are.

    With `staleness` above 0 it answers from the revocations in memory, as long as they are no older than so many
    seconds; then nothing is asked of PostgreSQL, and nothing is noted there.
    """

    def __init__(self, auth: AuthService, tokens: Tokens, view: RevocationView, *, staleness: float) -> None:
        self._auth = auth
        self._tokens = tokens
        self._view = view
        self._staleness = staleness

    async def verify(self, token: str, needed: Sequence[str]) -> Identity:
        """Let in the bearer of an access token, or of a legacy token, who has all scopes that are needed.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not an access token of ours.
            SessionEnded: logged out, refreshed since, or its user was disabled or deleted.
            InsufficientScope: a scope is missing.
        """
        identity = self._from_memory(token) if self._staleness else None
        if identity is None:
            caller = await self._auth.recognize(token)
            identity = Identity(caller.user.id, caller.session_id, caller.user.scopes)
        if not set(needed) <= set(identity.scopes):
            raise InsufficientScope(" ".join(needed))
        return identity

    def _from_memory(self, token: str) -> Identity | None:
        """Who it is; None where the session's row has to be asked.

        Raises:
            TokenExpired: the token is past its lifetime.
            TokenInvalid: not an access token of ours.
            SessionEnded: logged out, or its user was disabled or deleted.
        """
        age = self._view.age
        if age > self._staleness / 2:
            self._view.begin_look()
        # SECURITY: never a yes from old knowledge
        if age > self._staleness or self._auth.takes_legacy(token):
            return None
        claims = self._tokens.verify(token)
        if claims.legacy_digest is not None or self._view.has_lost_scopes(claims.user_id):
            return None
        if self._view.is_ended(claims.user_id, claims.session_id):
            raise SessionEnded
        return Identity(claims.user_id, claims.session_id, claims.scope.split())
