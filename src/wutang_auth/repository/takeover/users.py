"""The statements of a takeover: users of a running application, compared with those that are here, field by field."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from wutang_auth.database import Statement, reader
from wutang_auth.repository.revocations import REVOKED, scopes_taken
from wutang_auth.repository.user_import import Import, affected_rows


class TakeoverRunning(Exception):
    """Another `takeover users` runs on this database."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of the rows of the application."""

    created: int
    changed: int
    """Rows of users of whom at least one field was brought."""
    deleted: int
    """Rows of users who are deleted there, but have one."""
    deleted_here: int
    """Rows of users who were deleted here since, and stay so."""
    disabled: int
    """Users who were disabled, since they are deleted or shut out there, with or without a row."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A user of whom fields changed there and here, to different values; those of here stay."""

    user_id: int
    fields: list[str]


_conflict = reader(Conflict)


def _digest(text: str) -> str:
    return f"sha256(convert_to({text}, 'UTF8'))"


# SECURITY: of what is personal `takeover_users` has digests only, which outlive the user; they suffice to compare
_FIELDS = {
    "email": (_digest("users.email"), _digest("incoming.email")),
    "name": (_digest("users.name"), _digest("incoming.name")),
    "password_hash": (_digest("users.password_hash"), _digest("incoming.password_hash")),
    "email_verified_at": ("users.email_verified_at", "incoming.email_verified_at"),
    "scopes": ("users.scopes", "incoming.scopes"),
    "disabled": ("(users.disabled_at IS NOT NULL)", "incoming.disabled"),
    "created_at": ("users.created_at", "coalesce(incoming.created_at, seen.created_at)"),
    "updated_at": ("users.updated_at", "coalesce(incoming.updated_at, seen.updated_at)"),
}
"""SQL: for each field how it is compared: as it is here, and as it is there."""
_OUTCOMES = ", ".join(f"changes.{name}" for name in _FIELDS)
_TIMES = ("created_at", "updated_at")
_TOLD = [name for name in _FIELDS if name != "updated_at"]
"""The fields whose conflicts are told; the last one changes with each of them."""


def _changed_there(name: str) -> str:
    return f"seen.{name} IS DISTINCT FROM {_FIELDS[name][1]}"


def _outcome(name: str) -> str:
    """SQL: what to do with a field."""
    here, there = _FIELDS[name]
    # a better hash of the same password is no change
    as_seen = "NOT seen.password_changed" if name == "password_hash" else f"{here} IS NOT DISTINCT FROM seen.{name}"
    return f"""CASE
            WHEN {"incoming.deleted OR " if name != "disabled" else ""}NOT ({_changed_there(name)}) THEN NULL
            WHEN {here} IS NOT DISTINCT FROM {there} THEN 'agreed'
            WHEN {as_seen} THEN 'bring'
            ELSE 'conflict'
        END AS {name}"""


def _brought(name: str, value: str, otherwise: str) -> str:
    return f"{name} = CASE WHEN changes.{name} = 'bring' THEN {value} ELSE {otherwise} END"


class Takeover(Import):
    """A takeover of users that goes on, in one transaction."""

    # SECURITY: two of them would each compare with what the other is about to change
    BEGIN = Statement("SELECT pg_try_advisory_xact_lock(hashtext('wutang-auth takeover users')) AS is_ours")

    # of one address in two spellings the user keeps it that has it here, else the first one
    REJECT_SHARED_EMAIL = Statement("""
        UPDATE incoming SET reason = 'email: the user ' || claims.first || ' has it there too, in some spelling'
        FROM (
            SELECT rows.line, first_value(rows.id) OVER own AS first, row_number() OVER own AS place
            FROM (SELECT * FROM incoming WHERE reason IS NULL AND NOT deleted) AS rows
            LEFT JOIN users ON users.id = rows.id AND users.canonical_email = rows.canonical_email
            WINDOW own AS (PARTITION BY rows.canonical_email ORDER BY users.id IS NULL, rows.line)
        ) AS claims
        WHERE incoming.line = claims.line AND claims.place > 1
    """)

    # a user who was taken over and has no row there any more
    ADD_MISSING = Statement("""
        INSERT INTO incoming (line, id, disabled, deleted)
        SELECT -seen.user_id, seen.user_id, true, true
        FROM takeover_users AS seen
        WHERE NOT EXISTS (SELECT FROM incoming WHERE incoming.id = seen.user_id)
            AND EXISTS (SELECT FROM incoming WHERE reason IS NULL)
    """)

    LOCK = Statement(f"""
        SELECT count(*) FROM (
            SELECT users.id
            FROM incoming
            JOIN takeover_users AS seen ON seen.user_id = incoming.id
            JOIN users ON users.id = incoming.id
            WHERE incoming.reason IS NULL AND ({" OR ".join(map(_changed_there, _FIELDS))})
            ORDER BY users.id
            FOR UPDATE OF users
        ) AS held
    """)

    COMPARE = Statement(f"""
        CREATE TEMPORARY TABLE changes ON COMMIT DROP AS
        SELECT incoming.line, users.id, users.canonical_email AS former, users.scopes AS former_scopes,
            incoming.disabled AS is_disabled_there, {", ".join(map(_outcome, _FIELDS))}
        FROM incoming
        JOIN takeover_users AS seen ON seen.user_id = incoming.id
        JOIN users ON users.id = incoming.id
        WHERE incoming.reason IS NULL AND ({" OR ".join(map(_changed_there, _FIELDS))})
    """)

    # Who is deleted there gives its address up where another one has it there now; RFC 6761 section 6.4 keeps
    # `invalid` from ever being a domain.
    RELEASE_ADDRESSES = Statement(f"""
        WITH released AS MATERIALIZED (
            SELECT users.id, users.canonical_email AS former, 'deleted-' || users.id || '@takeover.invalid' AS address
            FROM incoming AS gone
            JOIN takeover_users AS seen ON seen.user_id = gone.id
            JOIN users ON users.id = gone.id AND {_digest("users.email")} = seen.email
            JOIN incoming AS heir ON heir.canonical_email = users.canonical_email
            WHERE gone.deleted AND gone.reason IS NULL AND heir.reason IS NULL AND NOT heir.deleted
                AND (users.disabled_at IS NOT NULL OR NOT seen.disabled)
            FOR UPDATE OF users
        ), forgotten AS (
            DELETE FROM emails USING released
            WHERE emails.canonical_email = released.former AND emails.user_id = released.id
        ), claimed AS (
            INSERT INTO emails (canonical_email, user_id) SELECT address, id FROM released
        ), remembered AS (
            UPDATE takeover_users AS seen SET email = {_digest("released.address")}
            FROM released
            WHERE seen.user_id = released.id
        )
        UPDATE users SET email = released.address, canonical_email = released.address
        FROM released
        WHERE users.id = released.id
    """)

    # again until it finds none: who keeps its address, keeps another from it
    REJECT_TAKEN_EMAILS = Statement("""
        UPDATE incoming SET reason = 'email: the user ' || users.id || ' has it here'
        FROM changes, users
        WHERE changes.line = incoming.line AND changes.email = 'bring' AND incoming.reason IS NULL
            AND users.canonical_email = incoming.canonical_email AND users.id <> incoming.id
            AND NOT EXISTS (
                SELECT FROM changes AS theirs
                JOIN incoming AS rows ON rows.line = theirs.line
                WHERE theirs.id = users.id AND theirs.email = 'bring' AND rows.reason IS NULL
                    AND rows.canonical_email <> users.canonical_email
            )
    """)

    DROP_REJECTED = Statement("""
        DELETE FROM changes USING incoming WHERE incoming.line = changes.line AND incoming.reason IS NOT NULL
    """)

    # by way of forms that nobody has, since one's new address may be another's former one
    VACATE_ADDRESSES = Statement("""
        UPDATE users SET canonical_email = 'changing ' || users.id
        FROM changes
        WHERE users.id = changes.id AND changes.email = 'bring'
    """)

    CHANGE = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t), {
        scopes_taken(
            "changes.scopes = 'bring' AND NOT users.scopes <@ incoming.scopes",
            joined="JOIN changes ON changes.id = users.id JOIN incoming ON incoming.line = changes.line",
        )
    }
        UPDATE users
        SET {_brought("email", "incoming.email", "users.email")},
            canonical_email = CASE
                WHEN changes.email = 'bring' THEN incoming.canonical_email ELSE users.canonical_email
            END,
            {_brought("name", "incoming.name", "users.name")},
            {_brought("password_hash", "incoming.password_hash", "users.password_hash")},
            {_brought("email_verified_at", "incoming.email_verified_at", "users.email_verified_at")},
            {_brought("scopes", "incoming.scopes", "users.scopes")},
            disabled_at = CASE
                WHEN changes.disabled = 'bring' THEN CASE WHEN incoming.disabled THEN clock.t END
                ELSE users.disabled_at
            END,
            {_brought("created_at", "coalesce(incoming.created_at, users.created_at)", "users.created_at")},
            {_brought("updated_at", "coalesce(incoming.updated_at, users.updated_at)", "users.updated_at")}
        FROM changes, incoming, clock
        WHERE users.id = changes.id AND incoming.line = changes.line
            AND 'bring' IN ({_OUTCOMES})
    """)

    FORGET_CLAIMS = Statement("""
        DELETE FROM emails USING changes, incoming
        WHERE changes.email = 'bring' AND incoming.line = changes.line AND (
            emails.canonical_email = changes.former AND emails.user_id = changes.id
            OR emails.canonical_email = incoming.canonical_email
        )
    """)

    CLAIM_CHANGED = Statement("""
        INSERT INTO emails (canonical_email, user_id)
        SELECT incoming.canonical_email, changes.id
        FROM changes JOIN incoming ON incoming.line = changes.line
        WHERE changes.email = 'bring'
    """)

    # SECURITY: tokens from before a ban stay refused when it ends. A password that changed there refuses none of them,
    # as it does there: nobody is logged out for that.
    # a field in conflict stays as it was seen last, so that it is told again until both agree
    REMEMBER_CHANGED = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE takeover_users AS seen
        SET {
        ", ".join(
            f"{name} = CASE WHEN changes.{name} IN ('bring', 'agreed') THEN {there} ELSE seen.{name} END"
            for name, (_, there) in _FIELDS.items()
        )
    },
            password_changed = seen.password_changed AND coalesce(changes.password_hash, 'conflict') = 'conflict',
            refused_until = CASE
                WHEN changes.disabled = 'bring' AND incoming.disabled THEN greatest(seen.refused_until, clock.t)
                ELSE seen.refused_until
            END
        FROM changes, incoming, clock
        WHERE seen.user_id = changes.id AND incoming.line = changes.line
    """)

    COUNT = Statement(f"""
        SELECT
            count(*) FILTER (WHERE line > 0 AND NOT deleted AND 'bring' IN ({_OUTCOMES})) AS changed,
            count(*) FILTER (WHERE line > 0 AND deleted) AS deleted,
            count(*) FILTER (WHERE line > 0 AND NOT deleted AND was_taken_over AND users.id IS NULL) AS deleted_here,
            count(*) FILTER (WHERE changes.disabled = 'bring' AND incoming.disabled) AS disabled
        FROM incoming
        LEFT JOIN changes USING (line)
        LEFT JOIN (SELECT user_id, true AS was_taken_over FROM takeover_users) AS seen ON seen.user_id = incoming.id
        LEFT JOIN users ON users.id = incoming.id
        WHERE incoming.reason IS NULL
    """)

    # what is left may become users
    DROP_KNOWN = Statement("""
        DELETE FROM incoming
        WHERE reason IS NULL
            AND (deleted OR EXISTS (SELECT FROM takeover_users AS seen WHERE seen.user_id = incoming.id))
    """)

    REMEMBER_CREATED = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        INSERT INTO takeover_users (user_id, refused_until, {", ".join(_FIELDS)})
        SELECT users.id, CASE WHEN incoming.disabled THEN clock.t END,
            {", ".join(there for name, (_, there) in _FIELDS.items() if name not in _TIMES)},
            coalesce(incoming.created_at, users.created_at),
            coalesce(incoming.updated_at, incoming.created_at, users.updated_at)
        FROM incoming JOIN users ON users.id = incoming.id, clock
        WHERE incoming.reason IS NULL
    """)

    async def begin(self) -> None:
        """Keep others from doing the same at the same time, and make a place for the rows.

        Raises:
            TakeoverRunning: somebody else does it now.
        """
        if not await self._raw.fetchval(self.BEGIN.sql):
            raise TakeoverRunning
        await self._raw.execute(self.CREATE.sql)

    async def take_over(self, *, is_whole: bool) -> Merged:
        """Bring what changed there and create who is new; see `service.takeover` for the rules.

        Args:
            is_whole: Whether who has no row is deleted there.
        """
        await self._raw.execute("ANALYZE incoming")
        for statement in (self.REJECT_REPEATED_ID, self.REJECT_SHARED_EMAIL):
            await self._raw.execute(statement.sql)
        if is_whole:
            await self._raw.execute(self.ADD_MISSING.sql)
        await self._raw.execute(self.LOCK.sql)
        await self._raw.execute(self.RELEASE_ADDRESSES.sql)
        await self._raw.execute(self.COMPARE.sql)
        while affected_rows(await self._raw.execute(self.REJECT_TAKEN_EMAILS.sql)):
            pass
        for statement in (
            self.DROP_REJECTED, self.VACATE_ADDRESSES, self.CHANGE, self.FORGET_CLAIMS, self.CLAIM_CHANGED,
            self.REMEMBER_CHANGED,
        ):  # fmt: skip
            await self._raw.execute(statement.sql)
        counts = await self._raw.fetchrow(self.COUNT.sql)
        await self._raw.execute(self.DROP_KNOWN.sql)
        created = await self.merge()
        await self._raw.execute(self.REMEMBER_CREATED.sql)
        return Merged(created=created, **counts)

    CONFLICTS = Statement(f"""
        SELECT id AS user_id, array_remove(
            ARRAY[{", ".join(f"CASE WHEN {name} = 'conflict' THEN '{name}' END" for name in _TOLD)}], NULL
        ) AS fields
        FROM changes
        WHERE 'conflict' IN ({", ".join(_TOLD)})
        ORDER BY id
    """)

    async def conflicts(self) -> AsyncIterator[Conflict]:
        """The users of whom fields changed on both sides, in the order of their ids."""
        async for row in self._raw.cursor(self.CONFLICTS.sql, prefetch=500):
            yield _conflict(row)

    # SECURITY: as wherever a password changes or a user is disabled; what was begun there goes on
    END_SESSIONS = Statement(f"""
        WITH ended AS (
            DELETE FROM sessions USING changes
            WHERE sessions.user_id = changes.id
                AND (changes.password_hash = 'bring' OR changes.disabled = 'bring' AND changes.is_disabled_there)
            RETURNING sessions.user_id, sessions.id, sessions.access_expires_at
        ), {REVOKED}
        SELECT count(*) FROM ended
    """)

    _FEWER_SCOPES = scopes_taken(
        "changes.scopes = 'bring' AND NOT changes.former_scopes <@ users.scopes",
        joined="JOIN changes ON changes.id = users.id",
    )
    TELL_OF_SCOPES = Statement(f"WITH {_FEWER_SCOPES} SELECT count(*) FROM changes")

    async def revoke(self) -> None:
        """End what must end, as the last thing: revocations are to be committed soon after they are written."""
        await self._raw.execute(self.END_SESSIONS.sql)
        await self._raw.execute(self.TELL_OF_SCOPES.sql)

    NOTE_RUN = Statement("""
        INSERT INTO takeover_runs (kind, finished_at, rows, rejected) VALUES ('users', now(), $rows, $rejected)
        ON CONFLICT (kind) DO UPDATE
        SET finished_at = excluded.finished_at, rows = excluded.rows, rejected = excluded.rejected
    """)

    async def note_run(self, *, rows: int, rejected: int) -> None:
        """Note for `status` what this run found."""
        await self._raw.execute(self.NOTE_RUN.sql, rows, rejected)
