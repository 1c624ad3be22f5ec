"""Authentication: login, refresh, logout and who is there."""

from collections.abc import Awaitable, Callable, Collection, Container
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.errors import (
    DatabaseUnavailable,
    InvalidCredentials,
    NotFound,
    Overloaded,
    SecondFactorMissing,
    SecondFactorNeeded,
    SessionEnded,
    TokenExpired,
    TooManyAttempts,
    Unavailable,
    WrongCurrentPassword,
)
from wutang_auth.fields import Authentication
from wutang_auth.passwords.hashing import Verdict
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.records import record
from wutang_auth.repository import (
    Credentials,
    Rotation,
    SessionRecord,
    SessionRepository,
    SessionState,
    UserRecord,
    UserRepository,
)
from wutang_auth.response_codes import Language
from wutang_auth.service.refresh_rule import outcome, parent_in_grace
from wutang_auth.service.session_start import SessionStart
from wutang_auth.service.throttle import Attempt, Throttle, pause_before_refusal
from wutang_auth.tokens.access import Claims, Kind, TokenPair, Tokens

if TYPE_CHECKING:
    from wutang_auth.service.factors import SecondFactorLogin  # not imported where there are no second factors
    from wutang_auth.service.legacy import LegacySessions


@record
class Caller:
    """Who sends a request, as the database knows it now."""

    user: UserRecord
    session_id: UUID
    authentication: Authentication | None = None
    """How and when it proved who it is; None where there are no second factors."""


RefuseUnverified = Callable[[int, str, Language], Awaitable[None]]
"""Takes the user's id, the e-mail that was sent, and the language that the client prefers."""


NeedsFactor = Callable[[Collection[str]], bool]
"""Takes the scopes of a user, and tells whether it must have a second factor."""


class AuthService:
    """The flows of authentication."""

    def __init__(
        self,
        *,
        users: UserRepository,
        sessions: SessionRepository,
        tokens: Tokens,
        passwords: Passwords,
        rules: PasswordRules,
        throttle: Throttle,
        starts: SessionStart,
        refresh_grace: int,
        refresh_with_access_token: bool,
        tells_by_mail: bool = False,
        refuse_unverified: RefuseUnverified | None = None,
        legacy: "LegacySessions | None" = None,
        second_factor: "SecondFactorLogin | None" = None,
        needs_factor: NeedsFactor | None = None,
    ) -> None:
        """`tells_by_mail`: users hear by mail of what happens to their passwords.

        `refuse_unverified` ends a login whose address is not verified; None: it need not be.

        `second_factor` is there where there are second factors; `needs_factor` where somebody must have one.
        """
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._passwords = passwords
        self._rules = rules
        self._throttle = throttle
        self._starts = starts
        self._refresh_grace = refresh_grace
        self._tells_by_mail = tells_by_mail
        self._refuse_unverified = refuse_unverified
        self._legacy = legacy
        self._second_factor = second_factor
        self._needs_factor = needs_factor
        self._refreshable: tuple[Kind, ...] = ("refresh", "access") if refresh_with_access_token else ("refresh",)

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
                credentials = await self._users.credentials(user.id)
                verdict = await self._compare(current_password, credentials)
            except Unavailable:
                await self._refund(attempt)
                raise
            if credentials is None or not verdict.matches:
                audit.record("password_change_failed", user_id=user.id, reason="wrong current password")
                raise WrongCurrentPassword
            await self._throttle.forgive(attempt)
            replaced = await self._users.replace_password(
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
        for stored_hash in await self._users.sample_hashes():
            await self._passwords.verify("calibration", stored_hash)

    async def _ensure_not_revoked_there(self, digest: bytes) -> None:
        """Refuse a token that the earlier application accepts too and that was revoked there."""
        if self._legacy is not None:
            await self._legacy.ensure_not_revoked(digest)

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
        credentials = await self._users.find_credentials(email)
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
        upgraded = await self._users.upgrade_hash(
            credentials.user_id, verified_hash=credentials.password_hash, new_hash=verdict.upgraded_hash
        )
        return replace(credentials, password_hash=verdict.upgraded_hash) if upgraded else credentials

    async def _compare(self, password: str, credentials: Credentials | None) -> Verdict:
        stored_hash = None if credentials is None else credentials.password_hash
        may_upgrade = credentials is not None and not credentials.is_disabled
        return await self._passwords.verify(password, stored_hash, may_upgrade=may_upgrade)
