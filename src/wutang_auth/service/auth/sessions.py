"""What the tokens of a session are good for: refresh, logout and who is there."""

from collections.abc import Awaitable, Callable, Collection, Container
from typing import TYPE_CHECKING
from uuid import UUID

from wutang_auth import audit
from wutang_auth.errors import NotFound, SecondFactorMissing, SessionEnded, TokenExpired
from wutang_auth.fields import Authentication
from wutang_auth.repository import Rotation, SessionRecord, SessionRepository, SessionState, UserRecord
from wutang_auth.service.auth.caller import Caller
from wutang_auth.service.refresh_rule import outcome, parent_in_grace
from wutang_auth.tokens.access import Claims, Kind, TokenPair, Tokens

if TYPE_CHECKING:
    from wutang_auth.service.legacy import LegacySessions  # not imported where no live sessions are taken over

NeedsFactor = Callable[[Collection[str]], bool]
"""Takes the scopes of a user, and tells whether it must have a second factor."""


class AuthService:
    """What is done by the token of a session."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        tokens: Tokens,
        refresh_grace: int,
        refresh_with_access_token: bool,
        legacy: "LegacySessions | None" = None,
        needs_factor: NeedsFactor | None = None,
    ) -> None:
        """`needs_factor` is there where somebody must have a second factor."""
        self._sessions = sessions
        self._tokens = tokens
        self._refresh_grace = refresh_grace
        self._legacy = legacy
        self._needs_factor = needs_factor
        self._refreshable: tuple[Kind, ...] = ("refresh", "access") if refresh_with_access_token else ("refresh",)

    async def refresh(self, token: str) -> TokenPair:
        """Exchange a token for a pair of the next generation.

        Raises:
            TokenExpired: the refresh token or the session is past its lifetime.
            TokenInvalid: not a token that may be refreshed.
            SessionEnded: logged out, or used before: then the whole session ends.
        """
        if self._legacy is not None and self._legacy.takes(token):
            return await self._legacy.adopt(token)
        claims = self._tokens.verify(token, self._refreshable, expired_ok=("access",))
        if claims.legacy_digest is not None:
            await self._ensure_not_revoked_there(claims.legacy_digest)
        user_id, session_id, given = claims.user_id, claims.session_id, claims.generation
        rotation = await self._sessions.rotate(user_id, session_id, given, access_ttl=self._tokens.access_ttl)
        match outcome(given, rotation, grace=self._refresh_grace), rotation:
            case (("advanced" | "replayed" as done), Rotation()):
                audit.record(
                    "refresh" if done == "advanced" else "refresh_replayed", user_id=user_id, session_id=session_id
                )
                return self._tokens.issue(
                    user_id=user_id,
                    session_id=session_id,
                    generation=rotation.generation,
                    scopes=rotation.scopes,
                    session_lifetime=rotation.lifetime,
                    scopes_read_at=rotation.at,
                    authentication=rotation.authentication,
                )
            case "reused", _:
                # SECURITY: two hold the same token and one of them is a thief; the deletion commits before the answer
                await self._sessions.end(user_id, session_id)
                audit.record("theft", user_id=user_id, session_id=session_id, reason="refresh token reused")
                raise SessionEnded("replaced")
            case "expired", _:
                raise TokenExpired
            case _:
                raise SessionEnded

    async def logout(self, token: str, *, everywhere: bool = False) -> None:
        """End the token's session, or all sessions of its user.

        Raises:
            TokenExpired: the session was past its lifetime.
            TokenInvalid: not a token of ours.
            SessionEnded: there is no such session any more.
        """
        if self._legacy is not None and self._legacy.takes(token):
            await self._legacy.end(token, everywhere=everywhere)
            return
        claims = self._tokens.verify(token, ("access", "refresh"), expired_ok=("access", "refresh"))
        if claims.legacy_digest is not None:
            await self._ensure_not_revoked_there(claims.legacy_digest)
        ended = await self._sessions.end(claims.user_id, claims.session_id, everywhere=everywhere)
        if ended is None:
            raise SessionEnded
        if not ended.was_live:
            raise TokenExpired
        audit.record(
            "logout",
            user_id=claims.user_id,
            session_id=claims.session_id,
            reason="everywhere" if everywhere else None,
        )

    async def authenticate(self, token: str, *, may_lack_factor: bool = False) -> Caller:
        """Let in the bearer of an access token; with `may_lack_factor` also one who has yet to add a second factor.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not an access token of ours.
            SessionEnded: logged out, refreshed since, or its user was disabled or deleted.
            SecondFactorMissing: its user must have a second factor, and this session knows of none.
        """
        claims, session, user = await self.find_live(token)
        if claims.generation == session.generation and session.confirmed_for is None:
            await self._sessions.confirm(claims.user_id, claims.session_id, claims.generation)
        if self._needs_factor is not None and not may_lack_factor:
            self._ensure_factor(user, session.authentication)
        return Caller(user, claims.session_id, session.authentication)

    async def find_live(
        self, token: str, accept: Container[Kind] = ("access",)
    ) -> tuple[Claims, SessionState, UserRecord]:
        """What a token says, its session and its user, if it counts now; to look is no use of it.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not a token of ours, or of another kind.
            SessionEnded: logged out, refreshed since, or its user was disabled or deleted.
        """
        claims = self._tokens.verify(token, accept)
        if claims.legacy_digest is not None:
            await self._ensure_not_revoked_there(claims.legacy_digest)
        found = await self._sessions.read(claims.user_id, claims.session_id)
        if found is None:
            raise SessionEnded
        session, user = found
        if user.disabled_at is not None:
            raise SessionEnded("user disabled")
        if session.has_expired:
            raise TokenExpired
        if claims.generation != session.generation and not parent_in_grace(
            claims.generation, session, grace=self._refresh_grace
        ):
            raise SessionEnded("replaced")
        return claims, session, user

    async def _ensure_not_revoked_there(self, digest: bytes) -> None:
        """Refuse a token that the earlier application accepts too and that was revoked there."""
        if self._legacy is not None:
            await self._legacy.ensure_not_revoked(digest)

    def lacks_factor(self, scopes: Collection[str], amr: Collection[str]) -> bool:
        """Whether a user with these scopes must have a second factor, and a session with this `amr` knows of none."""
        return self._needs_factor is not None and "mfa" not in amr and self._needs_factor(scopes)

    def takes_legacy(self, token: str) -> bool:
        """Whether the token is one for the legacy gate."""
        return self._legacy is not None and self._legacy.takes(token)

    def recognize(self, token: str) -> Awaitable[Caller]:
        """Let in the bearer of an access token, or of a legacy token, which is good for this and no other question.

        Raises:
            TokenExpired: the token or its session is past its lifetime.
            TokenInvalid: not an access token of ours, nor a token of the earlier application.
            SessionEnded: logged out, used up or refreshed since, or its user was disabled, deleted or not taken over.
            SecondFactorMissing: its user must have a second factor, and this session knows of none.
        """
        if self._legacy is not None and self._legacy.takes(token):
            return self._recognize_legacy(self._legacy, token)
        return self.authenticate(token)

    async def _recognize_legacy(self, legacy: "LegacySessions", token: str) -> Caller:
        caller = await legacy.recognize(token)
        self._ensure_factor(caller.user, caller.authentication)
        return caller

    def _ensure_factor(self, user: UserRecord, authentication: Authentication | None) -> None:
        if self.lacks_factor(user.scopes, authentication.amr if authentication is not None else ()):
            raise SecondFactorMissing

    async def list_sessions(self, caller: Caller) -> list[SessionRecord]:
        """The caller's live sessions, newest first."""
        return await self._sessions.list(caller.user.id)

    async def end_session(self, caller: Caller, session_id: UUID) -> None:
        """End one of the caller's sessions.

        Raises:
            NotFound: the caller has no such live session.
        """
        ended = await self._sessions.end(caller.user.id, session_id)
        if ended is None or not ended.was_live:
            raise NotFound
        audit.record("session_ended", user_id=caller.user.id, session_id=session_id)
