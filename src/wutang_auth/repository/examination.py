"""What `wutang-auth doctor` asks PostgreSQL: of the server, and of what is in the tables. Nothing is changed.

A role without privileges beyond those of the service gets all the answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from wutang_auth.database import Database, Statement, reader
from wutang_auth.fields import NO_PASSWORD

T = TypeVar("T")

TABLES = ("users", "emails", "sessions", "attempts", "revocations", "mails")
"""Those that change all the time, or are large."""
_HASH_FORM = r"^([$]2[aby][$]\d\d[$]|[$]argon2id?[$](?:v=\d+[$])?[mtp0-9=,]+[$])"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server, and the role that the service is there."""

    major: int
    """Such as 18."""
    encoding: str
    role: str
    is_superuser: bool
    is_local: bool
    """Whether it is reached on this machine."""
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class DurabilityFacts:
    """What a commit that was answered survives."""

    synchronous_commit: str
    fsync: str
    full_page_writes: str
    awaited_standbys: str
    """`synchronous_standby_names`; empty: a commit waits for none."""
    standbys: int
    """Those that are connected."""
    idle_slots: int
    """Replication slots that nobody uses, for which the server keeps all that was written since."""


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """How many connections there may be."""

    of_server: int
    of_database: int
    of_role: int
    """-1 where there is no limit of its own, as of the database."""
    used: int


@dataclass(frozen=True, slots=True)
class VacuumFacts:
    """What removes dead rows."""

    is_on: bool
    counts: bool
    """Whether the server counts dead rows, without which it cannot know when to remove them."""
    oldest_transaction: int
    """How many transactions lie between the oldest that some row of the database needs and now; at most 2^31."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table, as the statistics of the server have it."""

    name: str
    live: int
    dead: int
    bytes: int
    """On disk, indexes included."""
    vacuums: bool
    """Whether autovacuum is not switched off for it."""


@dataclass(frozen=True, slots=True)
class HashForm:
    """The password hashes of one kind, cost and length."""

    form: str | None
    """How they begin, such as `$2y$12$`; None: not as any that is known."""
    example: str
    users: int


@dataclass(frozen=True, slots=True)
class StoredAddress:
    """An address and the form of it that is compared."""

    id: int
    email: str
    canonical_email: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The client address that most of the latest sessions were begun from."""

    ip: str
    sessions: int
    users: int
    of_all: int
    """How many sessions were looked at."""


@dataclass(frozen=True, slots=True)
class WaitingMails:
    """The mails that wait to be sent."""

    number: int
    oldest: timedelta | None
    """How long the oldest waits; None: there is none."""
    attempts: int
    """Of the one that was tried most often."""


@dataclass(frozen=True, slots=True)
class LegacyFacts:
    """Tokens of the application that was replaced."""

    seen_last_week: int
    """Users."""
    last_seen_at: datetime | None


class ExaminationRepository:
    """Looks at PostgreSQL, with one statement for each question."""

    def __init__(self, database: Database) -> None:
        self._database = database

    SERVER = Statement("""
        SELECT
            current_setting('server_version_num')::int / 10000 AS major,
            current_setting('server_encoding') AS encoding,
            current_user::text AS role,
            (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
            coalesce(inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1', true) AS is_local,
            coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted
    """)

    async def server(self) -> ServerFacts:
        """What PostgreSQL it is, and as whom the service is there."""
        return await self._one(self.SERVER, ServerFacts)

    DURABILITY = Statement("""
        SELECT
            current_setting('synchronous_commit') AS synchronous_commit,
            current_setting('fsync') AS fsync,
            current_setting('full_page_writes') AS full_page_writes,
            current_setting('synchronous_standby_names') AS awaited_standbys,
            (SELECT count(*) FROM pg_stat_replication) AS standbys,
            (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS idle_slots
    """)

    async def durability(self) -> DurabilityFacts:
        """What a commit that was answered survives."""
        return await self._one(self.DURABILITY, DurabilityFacts)

    # other roles' rows of pg_stat_activity say little to an ordinary role; these numbers are for everyone
    CONNECTIONS = Statement("""
        SELECT
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                AS of_server,
            (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS of_database,
            (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_role,
            (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database) AS used
    """)

    async def connections(self) -> ConnectionFacts:
        """How many connections there may be, and are."""
        return await self._one(self.CONNECTIONS, ConnectionFacts)

    VACUUM = Statement("""
        SELECT
            current_setting('autovacuum')::bool AS is_on,
            current_setting('track_counts')::bool AS counts,
            (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS oldest_transaction
    """)

    async def vacuum(self) -> VacuumFacts:
        """Whether dead rows are removed."""
        return await self._one(self.VACUUM, VacuumFacts)

    TABLES = Statement("""
        SELECT
            counted.relname::text AS name, counted.n_live_tup AS live, counted.n_dead_tup AS dead,
            pg_total_relation_size(counted.relid) AS bytes,
            NOT EXISTS (
                SELECT FROM pg_options_to_table(pg_class.reloptions)
                WHERE option_name = 'autovacuum_enabled' AND NOT option_value::bool
            ) AS vacuums
        FROM pg_stat_user_tables AS counted
        JOIN pg_class ON pg_class.oid = counted.relid
        WHERE counted.relname = ANY($names::text[]) AND pg_table_is_visible(counted.relid)
        ORDER BY name
    """)

    async def tables(self) -> list[TableFacts]:
        """The tables that change all the time, as far as they are there."""
        return await self._all(self.TABLES, TableFacts, names=TABLES)

    CLOCK = Statement("SELECT clock_timestamp() AS t")

    async def clock(self) -> datetime:
        """The time by the clock of the database."""
        [row] = await self._database.fetch(self.CLOCK)
        told: datetime = row["t"]
        return told

    # those of one kind and cost have one length, so that no broken one speaks for the others
    HASHES = Statement("""
        SELECT substring(password_hash FROM $pattern) AS form, min(password_hash) AS example, count(*) AS users
        FROM users
        WHERE password_hash <> $none
        GROUP BY form, length(password_hash)
        ORDER BY count(*) DESC
    """)

    async def hashes(self) -> list[HashForm]:
        """The password hashes by kind and cost, the most frequent first."""
        return await self._all(self.HASHES, HashForm, pattern=_HASH_FORM, none=NO_PASSWORD)

    SHARED_ADDRESSES = Statement("""
        SELECT array_agg(id ORDER BY id) AS ids
        FROM users
        GROUP BY canonical_email
        HAVING count(*) > 1
        LIMIT 10
    """)

    async def shared_addresses(self) -> list[list[int]]:
        """The ids of users who have one address, at most ten such groups."""
        return [list(row["ids"]) for row in await self._database.fetch(self.SHARED_ADDRESSES)]

    # of an address in ASCII the compared form is its lower case, so that few rows are left to be looked at
    UNUSUAL_ADDRESSES = Statement("""
        SELECT id, email, canonical_email
        FROM users
        WHERE canonical_email <> lower(email COLLATE "C")
        ORDER BY id
        LIMIT $limit
    """)

    async def unusual_addresses(self, limit: int) -> list[StoredAddress]:
        """The users whose address is not compared in lower case, by id."""
        return await self._all(self.UNUSUAL_ADDRESSES, StoredAddress, limit=limit)

    OWNERS = Statement("""
        SELECT id, email, canonical_email FROM users WHERE canonical_email = ANY($addresses::text[]) ORDER BY id
    """)

    async def owners(self, addresses: Sequence[str]) -> list[StoredAddress]:
        """The users who have these addresses, in the compared form."""
        return await self._all(self.OWNERS, StoredAddress, addresses=addresses)

    # those that expire last began last, and there is an index
    ORIGIN = Statement("""
        SELECT ip, count(*) AS sessions, count(DISTINCT user_id) AS users, (sum(count(*)) OVER ())::int AS of_all
        FROM (SELECT ip, user_id FROM sessions ORDER BY expires_at DESC LIMIT 1000) AS latest
        WHERE ip IS NOT NULL
        GROUP BY ip
        ORDER BY sessions DESC
        LIMIT 1
    """)

    async def origin(self) -> Origin | None:
        """The address that most of the latest thousand sessions were begun from; None: there are none."""
        found = await self._all(self.ORIGIN, Origin)
        return found[0] if found else None

    FAILURES = Statement("SELECT failures FROM attempts WHERE key = $key")

    async def failures(self, key: bytes) -> int:
        """How many failed logins are counted for this key."""
        row = await self._database.fetchrow(self.FAILURES, key=key)
        return 0 if row is None else int(row["failures"])

    MAILS = Statement("""
        SELECT count(*) AS number, now() - min(created_at) AS oldest, coalesce(max(attempts), 0) AS attempts
        FROM mails
    """)

    async def mails(self) -> WaitingMails:
        """The mails that wait to be sent."""
        return await self._one(self.MAILS, WaitingMails)

    LEGACY = Statement("""
        SELECT
            count(*) FILTER (WHERE legacy_seen_at > now() - interval '7 days') AS seen_last_week,
            max(legacy_seen_at) AS last_seen_at
        FROM takeover_users
    """)

    async def legacy(self) -> LegacyFacts:
        """How many users came with a token of the application that was replaced."""
        return await self._one(self.LEGACY, LegacyFacts)

    OVERDUE = Statement("SELECT count(*) AS number FROM sessions WHERE expires_at < now() - interval '1 hour'")

    async def overdue_sessions(self) -> int:
        """How many sessions ended of age more than an hour ago and are still there."""
        [row] = await self._database.fetch(self.OVERDUE)
        return int(row["number"])

    async def _one(self, statement: Statement, facts: type[T]) -> T:
        [row] = await self._database.fetch(statement)
        return reader(facts)(row)

    async def _all(self, statement: Statement, facts: type[T], **parameters: object) -> list[T]:
        read = reader(facts)
        return [read(row) for row in await self._database.fetch(statement, **parameters)]
