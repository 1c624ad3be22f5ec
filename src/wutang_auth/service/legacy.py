"""Taking over live sessions: tokens of an earlier application count, and become sessions at their first refresh."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.errors import SessionEnded, TokenExpired, Unauthenticated
from wutang_auth.fields import Authentication
from wutang_auth.repository import Rotation, SessionRepository, SessionState, UserRecord
from wutang_auth.repository.legacy import Adoption, LegacyRepository, LegacyState
from wutang_auth.service.auth import Caller
from wutang_auth.service.refresh_rule import outcome, parent_in_grace
from wutang_auth.tokens.access import TokenPair, Tokens
from wutang_auth.tokens.legacy import LegacyClaims, LegacyGate

_LEGACY_GENERATION = -1
"""A legacy token is the parent of the first generation of the session that it becomes, whose number is 0."""


class LegacySessions:
    """What tokens without a `kid` are good for: `me`, verify, refresh and logout."""

    def __init__(
        self,
        *,
        gate: LegacyGate,
        legacy: LegacyRepository,
        sessions: SessionRepository,
        tokens: Tokens,
        refresh_grace: int,
        sessions_per_user: int,
        tells_proof: bool = False,
    ) -> None:
        """`tells_proof`: sessions and tokens say how their users proved who they are; there it was by the password."""
        self._gate = gate
        self._legacy = legacy
        self._sessions = sessions
        self._tokens = tokens
        self._refresh_grace = refresh_grace
        self._sessions_per_user = sessions_per_user
        self._tells_proof = tells_proof

    def takes(self, token: str) -> bool:
        """Whether the token is for the legacy gate; then it is for no other."""
        return self._gate.takes(token)

    async def recognize(self, token: str) -> Caller:
        """Let in the bearer of a legacy token.

        Raises:
            TokenExpired: the token is past its `exp`, or the session that it became past its lifetime.
            TokenInvalid: not a token of the earlier application.
            SessionEnded: its user was not taken over, or it was revoked or used up.
        """
        with _refusals_told(is_routine=True):
            claims = self._gate.verify(token)
            state, user = await self._found(claims)
            if state.reason is not None:
                found = _session(state)
                if found is None:
                    raise SessionEnded
                if found.has_expired:
                    raise TokenExpired
                if not parent_in_grace(_LEGACY_GENERATION, found, grace=self._refresh_grace):
                    raise SessionEnded("replaced")
        if not state.is_seen and await self._legacy.mark_seen(user.id):
            audit.record("legacy_seen", user_id=user.id, session_id=claims.session_id)
        return Caller(user, claims.session_id, self._proof(claims))

    async def adopt(self, token: str) -> TokenPair:
        """Make a session of a legacy token, once, and answer with its first pair; as often as a lost answer takes.

        Raises:
            TokenExpired: the token cannot be refreshed any more, or the session that it became is past its lifetime.
            TokenInvalid: not a token of the earlier application.
            SessionEnded: its user was not taken over, or it was revoked; or used up: then the session ends.
        """
        with _refusals_told():
            claims = self._gate.verify(token, "refresh")
            context = request_context.get()
            adoption = await self._legacy.adopt(
                user_id=claims.user_id,
                digest=claims.digest,
                session_id=claims.session_id,
                issued_at=claims.issued_at,
                refreshable_until=claims.refreshable_until,
                known_until=claims.known_until,
                access_ttl=self._tokens.access_ttl,
                limit=self._sessions_per_user,
                ip=context.client_address,
                user_agent=context.user_agent,
            )
            if adoption is None:
                return await self._replay(claims)
        audit.record("legacy_adopted", user_id=claims.user_id, session_id=claims.session_id)
        for oldest in adoption.ended:
            if oldest.was_live:
                audit.record("session_ended", user_id=claims.user_id, session_id=oldest.id, reason="too many")
        return self._pair(claims, adoption, self._proof(claims))

    async def _replay(self, claims: LegacyClaims) -> TokenPair:
        """Answer once more, as for any token that is the parent; or find a thief."""
        _, user = await self._found(claims)
        found = await self._sessions.rotate(
            user.id, claims.session_id, _LEGACY_GENERATION, access_ttl=self._tokens.access_ttl
        )
        match outcome(_LEGACY_GENERATION, found, grace=self._refresh_grace), found:
            case "replayed", Rotation():
                audit.record("refresh_replayed", user_id=user.id, session_id=claims.session_id)
                return self._pair(claims, found, found.authentication)
            case "reused", _:
                # SECURITY: two hold the same token and one of them is a thief; the deletion commits before the answer
                await self._sessions.end(user.id, claims.session_id)
                audit.record("theft", user_id=user.id, session_id=claims.session_id, reason="refresh token reused")
                raise SessionEnded("replaced")
            case "expired", _:
                raise TokenExpired
            case _:
                raise SessionEnded

    async def end(self, token: str, *, everywhere: bool) -> None:
        """Let a legacy token count no more, and end the session that it became, or all sessions of its user.

        Raises:
            TokenExpired: it is good for nothing any more, or the session that it became is past its lifetime.
            TokenInvalid: not a token of the earlier application.
            SessionEnded: its user was not taken over, it was revoked, or its session has ended.
        """
        with _refusals_told():
            claims = self._gate.verify(token, "logout")
            state, _ = await self._found(claims)
            if state.reason is not None:
                found = _session(state)
                if found is None:
                    raise SessionEnded
                if found.has_expired:
                    raise TokenExpired
            did_count = await self._legacy.revoke(
                user_id=claims.user_id,
                digest=claims.digest,
                session_id=claims.session_id,
                issued_at=claims.issued_at,
                known_until=claims.known_until,
                everywhere=everywhere,
            )
            if not did_count:
                raise SessionEnded
        audit.record(
            "logout",
            user_id=claims.user_id,
            session_id=claims.session_id,
            reason="everywhere" if everywhere else None,
        )

    async def ensure_not_revoked(self, digest: bytes) -> None:
        """Refuse an access token of ours that the earlier application took too and that was revoked there.

        Raises:
            SessionEnded: it was.
        """
        if await self._legacy.is_known(digest):
            raise SessionEnded("revoked")

    async def _found(self, claims: LegacyClaims) -> tuple[LegacyState, UserRecord]:
        """What holds of a genuine token.

        Raises:
            SessionEnded: it counts no more, and became no session.
        """
        found = await self._legacy.read(
            user_id=claims.user_id,
            digest=claims.digest,
            session_id=claims.session_id,
            issued_at=claims.issued_at,
        )
        if found is None:
            raise SessionEnded("not taken over")
        state, user = found
        if user.disabled_at is not None:
            raise SessionEnded("user disabled")
        if state.is_refused:
            raise SessionEnded
        if state.reason not in (None, "adopted"):
            raise SessionEnded("revoked")
        return found

    def _proof(self, claims: LegacyClaims) -> Authentication | None:
        """What a legacy token says of how its user logged in."""
        if not self._tells_proof:
            return None
        return Authentication(claims.issued_at, time.time() - claims.issued_at.timestamp(), ["pwd"])

    def _pair(
        self, claims: LegacyClaims, session: Adoption | Rotation, authentication: Authentication | None
    ) -> TokenPair:
        return self._tokens.issue(
            user_id=claims.user_id,
            session_id=claims.session_id,
            generation=_LEGACY_GENERATION + 1,
            scopes=session.scopes,
            session_lifetime=session.lifetime,
            scopes_read_at=session.at,
            authentication=authentication,
        )


@contextmanager
def _refusals_told(*, is_routine: bool = False) -> Iterator[None]:
    try:
        yield
    except Unauthenticated as refusal:
        audit.record("legacy_refused", reason=refusal.reason, is_routine=is_routine)
        raise


def _session(state: LegacyState) -> SessionState | None:
    """The session that a token has become."""
    if state.generation is None or state.has_expired is None:
        return None
    return SessionState(state.generation, state.confirmed_for, state.has_expired)
