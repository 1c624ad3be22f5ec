"""What is read and written of legacy tokens, in `legacy_tokens` and `takeover_users`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from wutang_auth.database import Database, Statement, reader
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.new_sessions import EndedSession
from wutang_auth.repository.pruning import delete_dead
from wutang_auth.repository.revocations import REVOKED
from wutang_auth.repository.sessions import SessionRepository
from wutang_auth.repository.users import USER_COLUMNS, UserRecord


@dataclass(frozen=True, slots=True)
class LegacyState:
    """What holds of a legacy token now, by the database's clock."""

    is_refused: bool
    """All sessions of its user were ended since it was issued."""
    is_seen: bool
    """A legacy token of its user was let in within the last hour."""
    reason: str | None
    """Why it counts no more: `adopted`, `logout` or `imported`."""
    generation: int | None
    """Of the session that it has become; None: there is none, or it has ended."""
    confirmed_for: float | None
    """Seconds since the first use of the present generation's tokens; None: there was none yet."""
    has_expired: bool | None
    """Whether that session is past its lifetime."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The session that a legacy token has just become."""

    at: datetime
    """When; the scopes are those of then."""
    scopes: list[str]
    lifetime: float
    """Seconds left of it."""
    ended: list[EndedSession]
    """The oldest ones beyond the limit."""


FoundLegacy = tuple[LegacyState, UserRecord]
"""A legacy token and its user."""

_state = reader(LegacyState)
_user = reader(UserRecord)

# SECURITY: only users that `takeover users` brought. Another one may have the id of a stranger there.
_HOLDER = """
    SELECT users.id, users.scopes, now() AS t
    FROM users JOIN takeover_users ON takeover_users.user_id = users.id
    WHERE users.id = $user_id AND users.disabled_at IS NULL
        AND (takeover_users.refused_until IS NULL OR takeover_users.refused_until < $issued_at)
    FOR NO KEY UPDATE
"""


class LegacyRepository:
    """The `legacy_tokens` table: digests of those that were used up or revoked, and the sessions that they became."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cut = LegacyCut()

    READ = Statement(f"""
        SELECT {USER_COLUMNS},
            coalesce(takeover_users.refused_until >= $issued_at, false) AS is_refused,
            takeover_users.legacy_seen_at IS NOT NULL AND takeover_users.legacy_seen_at > now() - interval '1 hour'
                AS is_seen,
            legacy_tokens.reason,
            sessions.generation,
            extract(epoch FROM now() - sessions.confirmed_at)::float8 AS confirmed_for,
            sessions.expires_at <= now() AS has_expired
        FROM users
        JOIN takeover_users ON takeover_users.user_id = users.id
        LEFT JOIN sessions ON sessions.user_id = users.id AND sessions.id = $session_id
        LEFT JOIN legacy_tokens ON legacy_tokens.digest = $digest
        WHERE users.id = $user_id
    """)

    async def read(self, *, user_id: int, digest: bytes, session_id: UUID, issued_at: datetime) -> FoundLegacy | None:
        """What holds of a token; None if its user is not there, or was not taken over."""
        row = await self._database.fetchrow(
            self.READ, user_id=user_id, digest=digest, session_id=session_id, issued_at=issued_at
        )
        return None if row is None else (_state(row), _user(row))

    # The digest is unique: of several at the same time one adopts, and the others wait for its commit. The user's row
    # is held against a change, as by a login, and that of takeover_users against an end of all sessions.
    ADOPT = Statement(f"""
        WITH holder AS MATERIALIZED ({_HOLDER}), used AS (
            INSERT INTO legacy_tokens AS added (digest, reason, user_id, expires_at)
            SELECT $digest, 'adopted', holder.id, $known_until
            FROM holder
            WHERE holder.t < $refreshable_until
            ON CONFLICT (digest) DO NOTHING
            RETURNING added.user_id
        ), started AS (
            INSERT INTO sessions AS added (
                user_id, id, confirmed_at, authenticated_at, expires_at, access_expires_at, ip, user_agent
            )
            SELECT used.user_id, $session_id, NULL, $issued_at, $refreshable_until,
                holder.t + $access_ttl::interval, $ip, $user_agent
            FROM used, holder
            ON CONFLICT DO NOTHING
            RETURNING added.id, added.expires_at
        ), ended AS (
            DELETE FROM sessions AS oldest
            USING holder, started
            WHERE oldest.user_id = holder.id AND oldest.id IN (
                SELECT id FROM sessions WHERE user_id = $user_id ORDER BY created_at DESC, id DESC OFFSET $limit - 1
            )
            RETURNING oldest.user_id, oldest.id, oldest.access_expires_at, oldest.expires_at > holder.t AS was_live
        ), {REVOKED}
        SELECT started.id, true AS was_live, holder.t AS at, holder.scopes,
            extract(epoch FROM started.expires_at - holder.t)::float8 AS lifetime
        FROM started, holder
        UNION ALL
        SELECT id, was_live, NULL, NULL, NULL FROM ended
    """)

    async def adopt(
        self,
        *,
        user_id: int,
        digest: bytes,
        session_id: UUID,
        issued_at: datetime,
        refreshable_until: datetime,
        known_until: datetime,
        access_ttl: timedelta,
        limit: int,
        ip: str | None,
        user_agent: str | None,
    ) -> Adoption | None:
        """Make the token a session and use it up; None, and nothing happens, if it counts no more.

        The session's first access token lives for `access_ttl`.

        The token is the parent of the session's generation 0, which nobody has used yet. The oldest sessions beyond
        `limit` end.
        """
        rows = await self._database.fetch(
            self.ADOPT, user_id=user_id, digest=digest, session_id=session_id, issued_at=issued_at,
            refreshable_until=refreshable_until, known_until=known_until, access_ttl=access_ttl, limit=limit, ip=ip,
            user_agent=user_agent,
        )  # fmt: skip
        if not rows:
            return None
        [own] = [row for row in rows if row["id"] == session_id]
        ended = [EndedSession(row["id"], row["was_live"]) for row in rows if row is not own]
        return Adoption(own["at"], own["scopes"], own["lifetime"], ended)

    REVOKE = Statement(f"""
        WITH holder AS MATERIALIZED ({_HOLDER})
        INSERT INTO legacy_tokens AS known (digest, reason, user_id, expires_at)
        SELECT $digest, 'logout', holder.id, $known_until
        FROM holder
        ON CONFLICT (digest) DO UPDATE SET reason = 'logout' WHERE known.reason = 'adopted'
        RETURNING known.digest
    """)

    async def revoke(
        self,
        *,
        user_id: int,
        digest: bytes,
        session_id: UUID,
        issued_at: datetime,
        known_until: datetime,
        everywhere: bool,
    ) -> bool:
        """Let the token count no more, and end its session or all of its user's; False if it did not count.

        Two statements: the session of an adoption at the same time is seen by the second, since the first waits for it.
        """
        async with self._database.transaction() as transaction:
            row = await transaction.fetchrow(
                self.REVOKE, user_id=user_id, digest=digest, issued_at=issued_at, known_until=known_until
            )
            if row is None:
                return False
            if everywhere:
                await self._cut.set(transaction, user_id)
                await transaction.fetch(SessionRepository.END_ALL, user_id=user_id)
            else:
                await transaction.fetch(SessionRepository.END, user_id=user_id, session_id=session_id, everywhere=False)
        return True

    IS_KNOWN = Statement("SELECT digest FROM legacy_tokens WHERE digest = $digest")

    async def is_known(self, digest: bytes) -> bool:
        """Whether a token counts no more, as one of ours that was revoked at the application."""
        return await self._database.fetchrow(self.IS_KNOWN, digest=digest) is not None

    MARK_SEEN = Statement("""
        UPDATE takeover_users SET legacy_seen_at = now()
        WHERE user_id = $user_id AND (legacy_seen_at IS NULL OR legacy_seen_at <= now() - interval '1 hour')
        RETURNING user_id
    """)

    async def mark_seen(self, user_id: int) -> bool:
        """Note that a legacy token of this user was let in; False if that was noted within the hour."""
        return await self._database.fetchrow(self.MARK_SEEN, user_id=user_id) is not None

    # SECURITY: they are kept as long as the gate may be open, so that a longer WUTANG_LEGACY_REFRESH_TTL revives none
    PRUNE = Statement(delete_dead("legacy_tokens", "digest", "expires_at <= now() - interval '60 days'"))

    async def prune(self, batch: int = 1000) -> int:
        """Forget some tokens that cannot count any more; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, batch=batch))
