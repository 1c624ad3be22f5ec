"""Verification for gateways, which ask about each request of their clients."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wutang_auth.errors import InsufficientScope, NotFresh, SessionEnded
from wutang_auth.fields import Authentication
from wutang_auth.repository import SessionRepository
from wutang_auth.service.auth import AuthService
from wutang_auth.service.freshness import FreshnessService
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.tokens.access import Claims, Tokens


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is, and what its user may do."""

    user_id: int
    session_id: UUID
    scopes: Sequence[str]
    authentication: Authentication | None
    """As far as that is known without another look."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What somebody must have to be let in."""

    scopes: Sequence[str] = ()
    amr: Sequence[str] = ()
    """By what it must have proved who it is, all of them."""
    max_age: int | None = None
    """Seconds that the proof may lie back."""

    def is_proven_by(self, authentication: Authentication | None) -> bool:
        """Whether this proof is enough."""
        if authentication is None or not set(self.amr) <= set(authentication.amr):
            return False
        return self.max_age is None or (authentication.age is not None and authentication.age < self.max_age)


class VerifyService:
    """Tells gateways who their clients are.

    With `staleness` above 0 it answers from the revocations in memory, as long as they are no older than so many
    seconds; then nothing is asked of PostgreSQL, and nothing is noted there.
    """

    def __init__(
        self,
        auth: AuthService,
        sessions: SessionRepository,
        tokens: Tokens,
        view: RevocationView,
        *,
        staleness: float,
        freshness: FreshnessService | None = None,
    ) -> None:
        """`freshness` knows how users prove who they are; None: by the password alone, at a login."""
        self._auth = auth
        self._sessions = sessions
        self._tokens = tokens
        self._view = view
        self._staleness = staleness
        self._freshness = freshness

    async def verify(self, token: str, needed: Needed) -> Identity:
        """Let in the bearer of an access token, or of a legacy token, who has all that is needed.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not an access token of ours.
            SessionEnded: logged out, refreshed since, or its user was disabled or deleted.
            InsufficientScope: a scope is missing.
            NotFresh: it did not prove who it is in such a way, or too long ago.
            SecondFactorMissing: its user must have a second factor, and this session knows of none.
        """
        identity = self._from_memory(token) if self._staleness else None
        if identity is None:
            caller = await self._auth.recognize(token)
            identity = Identity(caller.user.id, caller.session_id, caller.user.scopes, caller.authentication)
        if not set(needed.scopes) <= set(identity.scopes):
            raise InsufficientScope(" ".join(needed.scopes))
        if (needed.amr or needed.max_age is not None) and not needed.is_proven_by(identity.authentication):
            await self._ensure_proven_since(identity, needed)
        return identity

    async def _ensure_proven_since(self, identity: Identity, needed: Needed) -> None:
        """Ask the session's row: a token says what was when it was made, and nothing where there are no second factors.

        Raises:
            NotFresh: it did not prove who it is in such a way, or too long ago.
        """
        user_id = identity.user_id
        if not needed.is_proven_by(await self._sessions.authentication(user_id, identity.session_id)):
            methods = ("password",) if self._freshness is None else await self._freshness.methods(user_id)
            raise NotFresh(needed.max_age, needed.amr, methods=methods)

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
        if self._auth.lacks_factor(claims.scope.split(), claims.amr):
            return None
        return Identity(claims.user_id, claims.session_id, claims.scope.split(), _authentication(claims))


def _authentication(claims: Claims) -> Authentication | None:
    """What a token says of how its user proved who it is; by this machine's clock."""
    if claims.authenticated_at is None:
        return None
    return Authentication(None, time.time() - claims.authenticated_at, [*claims.amr])
