"""What is read and written in `sessions`."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.database.grouped_reads import GroupedReads
from wutang_auth.records import record
from wutang_auth.repository.distribution import Distribution
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.pruning import delete_dead
from wutang_auth.repository.revocations import REVOKED
from wutang_auth.repository.users import USER_COLUMNS, UserRecord


@record
class SessionState:
    """A session as it is now, by the database's clock."""

    generation: int
    confirmed_for: float | None
    """Seconds since the first use of one of its tokens; None: there was none yet."""
    has_expired: bool


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a refresh found, after the step if there was one."""

    generation: int
    stepped: bool
    confirmed_for: float | None
    """Seconds since the first use of one of its tokens; None: there was none yet."""
    is_disabled: bool
    scopes: list[str]
    lifetime: float
    """Seconds left of the session; not above 0 when it has expired."""
    at: datetime
    """Now; the scopes are those of then."""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was deleted."""

    id: UUID
    was_live: bool
    """False if it was past its lifetime."""


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session that was started."""

    at: datetime
    """When; the scopes are those of then."""
    scopes: list[str]
    surplus: list[EndedSession]
    """The oldest sessions of the user, which had to end."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A live session, for its owner to look at."""

    id: UUID
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None


SessionKey = tuple[int, UUID]
"""The user's id and the session's."""
FoundSession = tuple[SessionState, UserRecord]
"""A session and its user."""

logger = logging.getLogger(__name__)

_session_state = reader(SessionState)
_user = reader(UserRecord)
_rotation = reader(Rotation)
_ended_session = reader(EndedSession)
_session = reader(SessionRecord)


_MAY_STEP = "sessions.generation = $given AND sessions.expires_at > owner.t AND owner.disabled_at IS NULL"


def _confirmed_for(now: str) -> str:
    """SQL: the seconds since the present generation was used first.

    A row that an earlier release stepped has an older `confirmed_at` than `rotated_at`: it counts as confirmed then.
    """
    since = "CASE WHEN sessions.confirmed_at IS NOT NULL THEN greatest(sessions.confirmed_at, sessions.rotated_at) END"
    return f"extract(epoch FROM {now} - {since})::float8 AS confirmed_for"


class SessionRepository:
    """The `sessions` table.

    Where a time stands in CASE, COALESCE or RETURNING, it comes from a common table expression: distributed engines
    refuse now() there, and want the expression materialized.
    """

    def __init__(self, database: Database, *, grouped_reads: bool = False) -> None:
        self._database = database
        self._cut = LegacyCut()
        self._distribution = Distribution(database)
        self._grouped = GroupedReads(read_one=self._read_one, read_many=self._read_many, max_wait=database.pool_timeout)
        self._read: Callable[[SessionKey], Awaitable[FoundSession | None]]
        self._read = self._read_first if grouped_reads else self._read_one

    # SECURITY: only if the password just verified is still the user's, and the row is held against a change meanwhile.
    # Against other logins of the user too: while commits are held up, one waits for its commit and the others for it,
    # and PostgreSQL ends those whose service has given up. The rows beyond the limit go whatever their number, so that
    # what two logins at the same time leave, the next one ends. The new session is left out by its id: distributed
    # engines run one part after the other, and the later one sees what the earlier one has written.
    CREATE = Statement(f"""
        WITH holder AS MATERIALIZED (
            SELECT id, scopes, now() AS t
            FROM users
            WHERE id = $user_id AND password_hash = $verified_hash AND disabled_at IS NULL
            FOR NO KEY UPDATE
        ), started AS (
            INSERT INTO sessions AS added (user_id, id, expires_at, access_expires_at, ip, user_agent)
            SELECT holder.id, $session_id, holder.t + $ttl::interval, holder.t + $access_ttl::interval, $ip, $user_agent
            FROM holder
            RETURNING added.id
        ), ended AS (
            DELETE FROM sessions AS oldest
            USING holder
            WHERE oldest.user_id = $user_id AND oldest.id IN (
                SELECT id FROM sessions
                WHERE user_id = $user_id AND id <> $session_id
                ORDER BY created_at DESC, id DESC
                OFFSET $limit - 1
            )
            RETURNING oldest.user_id, oldest.id, oldest.access_expires_at, oldest.expires_at > holder.t AS was_live
        ), {REVOKED}
        SELECT started.id, true AS was_live, holder.t AS at, holder.scopes FROM started, holder
        UNION ALL
        SELECT id, was_live, NULL, NULL FROM ended
    """)

    async def create(
        self,
        *,
        user_id: int,
        session_id: UUID,
        ttl: timedelta,
        access_ttl: timedelta,
        limit: int,
        verified_hash: str,
        ip: str | None,
        user_agent: str | None,
    ) -> StartedSession | None:
        """Start a session that lives for `ttl`, its first access token for `access_ttl`; end the oldest beyond `limit`.

        None, and nothing happens, if the password changed or the user was disabled meanwhile.
        """
        rows = await self._database.fetch(
            self.CREATE, user_id=user_id, session_id=session_id, ttl=ttl, access_ttl=access_ttl, limit=limit,
            verified_hash=verified_hash, ip=ip, user_agent=user_agent,
        )  # fmt: skip
        started = next((row for row in rows if row["id"] == session_id), None)
        if started is None:
            return None
        surplus = [_ended_session(row) for row in rows if row is not started]
        return StartedSession(started["at"], started["scopes"], surplus)

    _STATE = f"""{USER_COLUMNS},
        sessions.generation, {_confirmed_for("now()")}, sessions.expires_at <= now() AS has_expired"""

    READ = Statement(f"""
        SELECT {_STATE}
        FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.user_id = $user_id AND sessions.id = $session_id
    """)

    READ_MANY = Statement(f"""
        SELECT asked.place, {_STATE}
        FROM unnest($user_ids::bigint[], $session_ids::uuid[]) WITH ORDINALITY AS asked (user_id, id, place)
        JOIN sessions ON sessions.user_id = asked.user_id AND sessions.id = asked.id
        JOIN users ON users.id = sessions.user_id
    """)

    async def read(self, user_id: int, session_id: UUID) -> FoundSession | None:
        """A session and its user as they are now, in one query, which those asked for meanwhile may share."""
        return await self._read((user_id, session_id))

    async def _read_first(self, key: SessionKey) -> FoundSession | None:
        """Decide how to read: a query for sessions on several servers would ask all of them."""
        is_spread = await self._distribution.is_spread()
        if self._read == self._read_first:  # else another request has decided meanwhile
            self._read = self._read_one if is_spread else self._grouped.read
            if is_spread:
                logger.info(
                    "the sessions are spread over several servers: each request reads its own,"
                    " and WUTANG_DB_GROUPED_READS is without effect"
                )
        return await self._read(key)

    async def _read_one(self, key: SessionKey) -> FoundSession | None:
        user_id, session_id = key
        row = await self._database.fetchrow(self.READ, user_id=user_id, session_id=session_id)
        return None if row is None else (_session_state(row), _user(row))

    async def _read_many(self, keys: Sequence[SessionKey]) -> Sequence[FoundSession | None]:
        user_ids, session_ids = zip(*keys, strict=True)
        rows = await self._database.fetch(self.READ_MANY, user_ids=user_ids, session_ids=session_ids)
        found = {row["place"]: (_session_state(row), _user(row)) for row in rows}
        return [found.get(place) for place in range(1, len(keys) + 1)]

    CONFIRM = Statement("""
        UPDATE sessions
        SET confirmed_at = now()
        WHERE user_id = $user_id AND id = $session_id AND generation = $generation AND confirmed_at IS NULL
        RETURNING id
    """)

    async def confirm(self, user_id: int, session_id: UUID, generation: int) -> None:
        """Note that the generation was used, unless that is known or it is the present one no more."""
        await self._database.fetch(self.CONFIRM, user_id=user_id, session_id=session_id, generation=generation)

    # the new generation is not confirmed; that the given one was in use needs no mark, since its parent is too old now
    # SECURITY: the user's row is locked against those who take scopes away; see `revocations.scopes_taken`
    ROTATE = Statement(f"""
        WITH owner AS MATERIALIZED (
            SELECT id, scopes, disabled_at, now() AS t, now() + $access_ttl::interval AS access_expires_at
            FROM users
            WHERE id = $user_id
            FOR KEY SHARE
        )
        UPDATE sessions
        SET generation = CASE WHEN {_MAY_STEP} THEN sessions.generation + 1 ELSE sessions.generation END,
            rotated_at = CASE WHEN {_MAY_STEP} THEN owner.t ELSE sessions.rotated_at END,
            confirmed_at = CASE WHEN {_MAY_STEP} THEN NULL ELSE sessions.confirmed_at END,
            access_expires_at = greatest(sessions.access_expires_at, owner.access_expires_at)
        FROM owner
        WHERE sessions.user_id = $user_id AND sessions.id = $session_id AND owner.id = sessions.user_id
        RETURNING sessions.generation, owner.t AS at, sessions.rotated_at = owner.t AS stepped,
            {_confirmed_for("owner.t")}, owner.disabled_at IS NOT NULL AS is_disabled, owner.scopes,
            extract(epoch FROM sessions.expires_at - owner.t)::float8 AS lifetime
    """)

    async def rotate(
        self, user_id: int, session_id: UUID, generation: int, *, access_ttl: timedelta
    ) -> Rotation | None:
        """One step from this generation to the next, if it is the current one; either way, what holds now.

        The access token that is made then lives for `access_ttl`.
        """
        row = await self._database.fetchrow(
            self.ROTATE, user_id=user_id, session_id=session_id, given=generation, access_ttl=access_ttl
        )
        return None if row is None else _rotation(row)

    END = Statement(f"""
        WITH own AS MATERIALIZED (
            SELECT id, now() AS t FROM sessions WHERE user_id = $user_id AND id = $session_id
        ), ended AS (
            DELETE FROM sessions USING own
            WHERE sessions.user_id = $user_id AND (sessions.id = own.id OR $everywhere)
            RETURNING sessions.user_id, sessions.id, sessions.access_expires_at,
                sessions.expires_at > own.t AS was_live
        ), {REVOKED}
        SELECT id, was_live FROM ended
    """)

    async def end(self, user_id: int, session_id: UUID, *, everywhere: bool = False) -> EndedSession | None:
        """Delete a session, or with it all of its user's; None, and nothing is deleted, if there is no such session."""
        parameters = {"user_id": user_id, "session_id": session_id, "everywhere": everywhere}
        if everywhere:
            async with self._database.transaction() as transaction:
                await self._cut.set(transaction, user_id, session_id=session_id)
                rows = await transaction.fetch(self.END, **parameters)
        else:
            rows = await self._database.fetch(self.END, **parameters)
        return next((_ended_session(row) for row in rows if row["id"] == session_id), None)

    END_ALL = Statement(f"""
        WITH ended AS (
            DELETE FROM sessions WHERE user_id = $user_id RETURNING user_id, id, access_expires_at
        ), {REVOKED}
        SELECT id FROM ended
    """)

    async def end_all(self, user_id: int) -> int:
        """Delete every session of a user and count them."""
        async with self._database.transaction() as transaction:
            await self._cut.set(transaction, user_id)
            return len(await transaction.fetch(self.END_ALL, user_id=user_id))

    END_MANY = Statement(f"""
        WITH ended AS (
            DELETE FROM sessions
            WHERE user_id = ANY($user_ids::bigint[])
                AND ($began_before::timestamptz IS NULL OR created_at < $began_before)
            RETURNING user_id, id, access_expires_at
        ), {REVOKED}
        SELECT id FROM ended
    """)

    async def end_many(self, user_ids: Sequence[int], *, began_before: datetime | None) -> int:
        """Delete the sessions of these users that began before then, without a time all of them, and count them.

        Legacy tokens of that time, which would become sessions, are refused too.
        """
        async with self._database.transaction() as transaction:
            await self._cut.set_many(transaction, user_ids, until=began_before)
            return len(await transaction.fetch(self.END_MANY, user_ids=user_ids, began_before=began_before))

    LIST = Statement("""
        SELECT id, created_at, rotated_at, expires_at, ip, user_agent
        FROM sessions
        WHERE user_id = $user_id AND expires_at > now()
        ORDER BY created_at DESC, id DESC
    """)

    async def list(self, user_id: int) -> list[SessionRecord]:
        """The live sessions of a user, newest first."""
        return [_session(row) for row in await self._database.fetch(self.LIST, user_id=user_id)]

    IS_FRESH = Statement("""
        SELECT authenticated_at > now() - $max_age::interval AS is_fresh
        FROM sessions
        WHERE user_id = $user_id AND id = $session_id
    """)

    HOLD_USER = Statement("SELECT id FROM users WHERE id = $user_id FOR SHARE")

    async def is_fresh(
        self, user_id: int, session_id: UUID, max_age: timedelta, transaction: Transaction | None = None
    ) -> bool:
        """Whether the session's user proved who it is within this time.

        With a transaction, whatever shuts the user out waits for the end of that, and then sees what it did.
        """
        if transaction is not None:
            await transaction.fetch(self.HOLD_USER, user_id=user_id)
        row = await (transaction or self._database).fetchrow(
            self.IS_FRESH, user_id=user_id, session_id=session_id, max_age=max_age
        )
        return row is not None and bool(row["is_fresh"])

    # SECURITY: only if the password just verified is still the user's
    REAUTHENTICATE = Statement("""
        UPDATE sessions SET authenticated_at = now()
        FROM users
        WHERE sessions.user_id = $user_id AND sessions.id = $session_id AND sessions.expires_at > now()
            AND users.id = sessions.user_id AND users.password_hash = $verified_hash AND users.disabled_at IS NULL
        RETURNING sessions.id
    """)

    async def reauthenticate(self, user_id: int, session_id: UUID, *, verified_hash: str) -> bool:
        """Note that the session's user has just proved who it is; not if the password was changed meanwhile."""
        row = await self._database.fetchrow(
            self.REAUTHENTICATE, user_id=user_id, session_id=session_id, verified_hash=verified_hash
        )
        return row is not None

    PRUNE = Statement(delete_dead("sessions", "user_id, id", "expires_at <= now()"))
    PRUNE_SPREAD = Statement(delete_dead("sessions", "user_id, id", "expires_at <= now()", spread=True))

    async def prune(self, batch: int = 1000) -> int:
        """Delete some sessions past their lifetime; fewer than the batch means that none is left."""
        is_spread = await self._distribution.is_spread()
        return len(await self._database.fetch(self.PRUNE_SPREAD if is_spread else self.PRUNE, batch=batch))
