"""What is read and written in `sessions`."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.database.grouped_reads import GroupedReads
from wutang_auth.fields import Authentication
from wutang_auth.records import record
from wutang_auth.repository.distribution import Distribution
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.new_sessions import (
    HOLDER,
    EndedSession,
    NewSession,
    StartedSession,
    beginning,
    ended_session,
    started_session,
)
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
    authentication: Authentication | None = None
    """None: it was not asked for, since there are no second factors."""


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
    authentication: Authentication | None = None
    """None: it was not asked for, since there are no second factors."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A live session, for its owner to look at."""

    id: UUID
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    amr: list[str]


SessionKey = tuple[int, UUID]
"""The user's id and the session's."""
FoundSession = tuple[SessionState, UserRecord]
"""A session and its user."""

logger = logging.getLogger(__name__)

_session_state = reader(SessionState)
_user = reader(UserRecord)
_rotation = reader(Rotation)
_session = reader(SessionRecord)
_authentication = reader(Authentication)


_MAY_STEP = "sessions.generation = $given AND sessions.expires_at > owner.t AND owner.disabled_at IS NULL"


def _confirmed_for(now: str) -> str:
    """SQL: the seconds since the present generation was used first.

    A row that an earlier release stepped has an older `confirmed_at` than `rotated_at`: it counts as confirmed then.
    """
    since = "CASE WHEN sessions.confirmed_at IS NOT NULL THEN greatest(sessions.confirmed_at, sessions.rotated_at) END"
    return f"extract(epoch FROM {now} - {since})::float8 AS confirmed_for"


_AMR = "coalesce(sessions.amr, ARRAY['pwd']) AS amr"
"""SQL: by what the session's user proved who it is; sessions older than the column began with the password."""


def _proof(now: str) -> str:
    """SQL: how the session's user last proved who it is, and when."""
    age = f"extract(epoch FROM {now} - sessions.authenticated_at)::float8 AS age"
    return f"sessions.authenticated_at, {age}, {_AMR}"


def _state_with_proof(row: Record) -> SessionState:
    found = _session_state(row)
    return SessionState(found.generation, found.confirmed_for, found.has_expired, _authentication(row))


class SessionRepository:
    """The `sessions` table.

    Where a time stands in CASE, COALESCE or RETURNING, it comes from a common table expression: distributed engines
    refuse now() there, and want the expression materialized.
    """

    def __init__(self, database: Database, *, grouped_reads: bool = False, with_factors: bool = False) -> None:
        """`with_factors`: there are second factors.

        The password alone starts no session of who has one then, and sessions that are read or refreshed come with how
        their users proved who they are.
        """
        self._database = database
        self._with_factors = with_factors
        self._state = _state_with_proof if with_factors else _session_state
        self._cut = LegacyCut()
        self._distribution = Distribution(database)
        self._grouped = GroupedReads(read_one=self._read_one, read_many=self._read_many, max_wait=database.pool_timeout)
        self._read: Callable[[SessionKey], Awaitable[FoundSession | None]]
        self._read = self._read_first if grouped_reads else self._read_one

    CREATE = Statement(f"WITH {HOLDER}, {beginning('holder')}")

    # SECURITY: no session by the password alone for who has a second factor. Its row is held, not only read: one that
    # was confirmed while this waited for the user's row is seen as it is now.
    CREATE_WITHOUT_FACTOR = Statement(f"""
        WITH {HOLDER}, factor AS MATERIALIZED (
            SELECT confirmed_at FROM totps WHERE user_id = $user_id AND EXISTS (SELECT FROM holder) FOR SHARE
        ), free AS MATERIALIZED (
            SELECT id, scopes, t FROM holder WHERE NOT EXISTS (SELECT FROM factor WHERE confirmed_at IS NOT NULL)
        ), {beginning("free")}
    """)

    async def create(self, user_id: int, new: NewSession, *, verified_hash: str) -> StartedSession | None:
        """Start a session by the password alone.

        None, and nothing happens, if the password changed or the user was disabled meanwhile, or has a second factor.
        """
        statement = self.CREATE_WITHOUT_FACTOR if self._with_factors else self.CREATE
        rows = await self._database.fetch(statement, user_id=user_id, verified_hash=verified_hash, **asdict(new))
        return started_session(rows, new.session_id)

    _STATE = f"""{USER_COLUMNS},
        sessions.generation, {_confirmed_for("now()")}, sessions.expires_at <= now() AS has_expired"""

    _READ_FROM = """
        FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.user_id = $user_id AND sessions.id = $session_id
    """
    READ = Statement(f"SELECT {_STATE} {_READ_FROM}")
    READ_WITH_PROOF = Statement(f"SELECT {_STATE}, {_proof('now()')} {_READ_FROM}")

    _READ_MANY_FROM = """
        FROM unnest($user_ids::bigint[], $session_ids::uuid[]) WITH ORDINALITY AS asked (user_id, id, place)
        JOIN sessions ON sessions.user_id = asked.user_id AND sessions.id = asked.id
        JOIN users ON users.id = sessions.user_id
    """
    READ_MANY = Statement(f"SELECT asked.place, {_STATE} {_READ_MANY_FROM}")
    READ_MANY_WITH_PROOF = Statement(f"SELECT asked.place, {_STATE}, {_proof('now()')} {_READ_MANY_FROM}")

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
        statement = self.READ_WITH_PROOF if self._with_factors else self.READ
        row = await self._database.fetchrow(statement, user_id=user_id, session_id=session_id)
        return None if row is None else (self._state(row), _user(row))

    async def _read_many(self, keys: Sequence[SessionKey]) -> Sequence[FoundSession | None]:
        user_ids, session_ids = zip(*keys, strict=True)
        statement = self.READ_MANY_WITH_PROOF if self._with_factors else self.READ_MANY
        rows = await self._database.fetch(statement, user_ids=user_ids, session_ids=session_ids)
        found = {row["place"]: (self._state(row), _user(row)) for row in rows}
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
    _ROTATE = f"""
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
    """
    ROTATE = Statement(_ROTATE)
    ROTATE_WITH_PROOF = Statement(f"{_ROTATE}, {_proof('owner.t')}")

    async def rotate(
        self, user_id: int, session_id: UUID, generation: int, *, access_ttl: timedelta
    ) -> Rotation | None:
        """One step from this generation to the next, if it is the current one; either way, what holds now.

        The access token that is made then lives for `access_ttl`.
        """
        row = await self._database.fetchrow(
            self.ROTATE_WITH_PROOF if self._with_factors else self.ROTATE,
            user_id=user_id, session_id=session_id, given=generation, access_ttl=access_ttl,
        )  # fmt: skip
        if row is None:
            return None
        found = _rotation(row)
        return replace(found, authentication=_authentication(row)) if self._with_factors else found

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
        return next((ended_session(row) for row in rows if row["id"] == session_id), None)

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

    LIST = Statement(f"""
        SELECT id, created_at, rotated_at, expires_at, ip, user_agent, {_AMR}
        FROM sessions
        WHERE user_id = $user_id AND expires_at > now()
        ORDER BY created_at DESC, id DESC
    """)

    async def list(self, user_id: int) -> list[SessionRecord]:
        """The live sessions of a user, newest first."""
        return [_session(row) for row in await self._database.fetch(self.LIST, user_id=user_id)]

    AUTHENTICATION = Statement(f"""
        SELECT {_proof("now()")} FROM sessions WHERE user_id = $user_id AND id = $session_id
    """)

    async def authentication(self, user_id: int, session_id: UUID) -> Authentication | None:
        """How the session's user last proved who it is, and when; None if there is no such session."""
        row = await self._database.fetchrow(self.AUTHENTICATION, user_id=user_id, session_id=session_id)
        return None if row is None else _authentication(row)

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

    REAUTHENTICATE_BY_CODE = Statement("""
        WITH proved AS (
            UPDATE totps SET last_step = $step
            WHERE user_id = $user_id AND confirmed_at IS NOT NULL AND last_step < $step
            RETURNING user_id
        )
        UPDATE sessions SET authenticated_at = now(), amr = ARRAY['pwd', 'otp', 'mfa']
        FROM users JOIN proved ON proved.user_id = users.id
        WHERE sessions.user_id = $user_id AND sessions.id = $session_id AND sessions.expires_at > now()
            AND users.id = sessions.user_id AND users.password_hash = $verified_hash AND users.disabled_at IS NULL
        RETURNING sessions.id
    """)

    async def reauthenticate(
        self, user_id: int, session_id: UUID, *, verified_hash: str, step: int | None = None
    ) -> bool:
        """Note that the session's user has just proved who it is; not if the password was changed meanwhile.

        With the time step of a code, that is used up by it; not if it was before.
        """
        found = {"user_id": user_id, "session_id": session_id, "verified_hash": verified_hash}
        if step is None:
            row = await self._database.fetchrow(self.REAUTHENTICATE, **found)
        else:
            row = await self._database.fetchrow(self.REAUTHENTICATE_BY_CODE, **found, step=step)
        return row is not None

    PRUNE = Statement(delete_dead("sessions", "user_id, id", "expires_at <= now()"))
    PRUNE_SPREAD = Statement(delete_dead("sessions", "user_id, id", "expires_at <= now()", spread=True))

    async def prune(self, batch: int = 1000) -> int:
        """Delete some sessions past their lifetime; fewer than the batch means that none is left."""
        is_spread = await self._distribution.is_spread()
        return len(await self._database.fetch(self.PRUNE_SPREAD if is_spread else self.PRUNE, batch=batch))
