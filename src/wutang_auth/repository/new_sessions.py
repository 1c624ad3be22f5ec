"""How sessions start: what is written then, whoever writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from wutang_auth.database import reader
from wutang_auth.repository.revocations import REVOKED


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was deleted."""

    id: UUID
    was_live: bool
    """False if it was past its lifetime."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be started."""

    session_id: UUID
    ttl: timedelta
    access_ttl: timedelta
    """The lifetime of its first access token."""
    limit: int
    """So many sessions of a user are the most: the oldest ones beyond it end."""
    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that was started."""

    at: datetime
    """When; the scopes are those of then."""
    scopes: list[str]
    surplus: list[EndedSession]
    """The oldest sessions of the user, which had to end."""


ended_session = reader(EndedSession)

# SECURITY: only if the password just verified is still the user's, and the row is held against a change meanwhile.
# Against other logins of the user too: while commits are held up, one waits for its commit and the others for it, and
# PostgreSQL ends those whose service has given up.
HOLDER = """holder AS MATERIALIZED (
            SELECT id, scopes, now() AS t
            FROM users
            WHERE id = $user_id AND password_hash = $verified_hash AND disabled_at IS NULL
            FOR NO KEY UPDATE
        )"""
"""SQL: the common table expression of the user who logs in, whose row is held."""


def beginning(whose: str, *, amr: str = "NULL") -> str:
    """SQL: the end of a statement that starts a session.

    `whose` names a common table expression with the columns of HOLDER; without a row in it nothing happens. The rows
    beyond the limit go whatever their number, so that what two logins at the same time leave, the next one ends. The
    new session is left out by its id: distributed engines run one part after the other, and the later one sees what the
    earlier one has written. It is added from `users`, whose key they know to be beside it: from the other expression
    they would have to bring it to all servers.
    """
    return f"""started AS (
            INSERT INTO sessions AS added (user_id, id, amr, expires_at, access_expires_at, ip, user_agent)
            SELECT users.id, $session_id, {amr}::text[], now() + $ttl::interval, now() + $access_ttl::interval,
                $ip, $user_agent
            FROM users
            WHERE users.id = $user_id AND EXISTS (SELECT FROM {whose})
            RETURNING added.id
        ), ended AS (
            DELETE FROM sessions AS oldest
            USING {whose}
            WHERE oldest.user_id = $user_id AND oldest.id IN (
                SELECT id FROM sessions
                WHERE user_id = $user_id AND id <> $session_id
                ORDER BY created_at DESC, id DESC
                OFFSET $limit - 1
            )
            RETURNING oldest.user_id, oldest.id, oldest.access_expires_at, oldest.expires_at > {whose}.t AS was_live
        ), {REVOKED}
        SELECT started.id, true AS was_live, {whose}.t AS at, {whose}.scopes FROM started, {whose}
        UNION ALL
        SELECT id, was_live, NULL, NULL FROM ended"""


def started_session(rows: Sequence[Record], session_id: UUID) -> StartedSession | None:
    """What a statement with that end has done; None: nothing."""
    started = next((row for row in rows if row["id"] == session_id), None)
    if started is None:
        return None
    return StartedSession(started["at"], started["scopes"], [ended_session(row) for row in rows if row is not started])
