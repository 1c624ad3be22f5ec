"""PostgreSQL itself: its version, what a commit survives, its connections, dead rows, its clock."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from wutang_auth.database import REVISION
from wutang_auth.repository.examination import (
    ConnectionFacts,
    DurabilityFacts,
    ServerFacts,
    TableFacts,
    VacuumFacts,
)
from wutang_auth.service.doctor.findings import Finding, look, or_well, well, wrong
from wutang_auth.settings import PREFIX

_MANY_DEAD = 10_000
_OLD_TRANSACTION = 1_000_000_000  # PostgreSQL stops taking writes at 2^31
_EXACT = timedelta(seconds=1)


def check_server(facts: ServerFacts, today: date) -> list[Finding]:
    """Its version, its encoding, and as whom the service is there."""
    return or_well(_of_server(facts, today), "server", f"PostgreSQL {facts.major}, {facts.encoding}")


def _of_server(facts: ServerFacts, today: date) -> Iterator[Finding]:
    # five years each, until November (postgresql.org/support/versioning)
    end = date(2012 + facts.major, 11, 15)
    if end < today:
        yield look(
            "server", f"PostgreSQL {facts.major} gets no corrections since November {end.year}", "move to a newer one"
        )
    if facts.is_superuser:
        yield look(
            "server",
            f"the service's role {facts.role} is a superuser, which may read every file of the server",
            "give the service a role of its own; docs/privileges.md has the GRANTs",
        )
    if not (facts.is_local or facts.is_encrypted):
        yield look(
            "server",
            "the connection to another machine is not encrypted",
            f"sslmode=verify-full in {PREFIX}DATABASE_URL",
        )


def check_durability(facts: DurabilityFacts) -> list[Finding]:
    """Whether a logout that was answered holds after a crash, a lost disk, a failover."""
    return or_well(_of_durability(facts), "durability", f"a commit waits for the disk; standbys: {facts.standbys}")


def _of_durability(facts: DurabilityFacts) -> Iterator[Finding]:
    if facts.fsync == "off":
        yield wrong("durability", "fsync is off: a crash of the machine may ruin the database", "fsync = on")
    if facts.full_page_writes == "off":
        yield look("durability", "full_page_writes is off, which only some file systems can do without", "turn it on")
    if facts.synchronous_commit == "off" or (facts.synchronous_commit == "local" and facts.awaited_standbys):
        survives = "a crash" if facts.synchronous_commit == "off" else "a failover"
        yield wrong(
            "durability",
            f"synchronous_commit is {facts.synchronous_commit}: a logout that was answered may be forgotten in"
            f" {survives}",
            "reset it for the role and the database, and set it to on in postgresql.conf",
        )
    if facts.awaited_standbys and facts.standbys == 0:
        yield wrong(
            "durability",
            "no standby is connected, and every write waits for one",
            "start the standby, or reset synchronous_standby_names",
        )
    if not facts.awaited_standbys:
        lacks = "no standby" if facts.standbys == 0 else "no synchronous standby"
        yield look(
            "durability",
            f"{lacks}: with this server's disk, logouts are lost that were answered",
            "a synchronous standby, if that matters to you",
        )
    if facts.idle_slots > 0:
        yield look(
            "durability",
            f"replication slots that nobody uses: {facts.idle_slots}; the server keeps all WAL for them",
            "start what used them, or drop them (pg_replication_slots)",
        )


def check_connections(facts: ConnectionFacts, needed: int) -> list[Finding]:
    """Whether there are as many connections as one worker may need."""
    most = min(limit for limit in (facts.of_server, facts.of_database, facts.of_role) if limit >= 0)
    found = []
    if needed > most:
        found.append(
            look(
                "connections",
                f"one worker may need {needed} connections, and PostgreSQL gives this role {most} at most",
                f"raise that limit, or lower {PREFIX}DB_POOL_SIZE",
            )
        )
    if facts.used > 0.9 * facts.of_server:
        found.append(
            look(
                "connections",
                f"{facts.used} of {facts.of_server} connections are in use",
                "raise max_connections, or use a pooler",
            )
        )
    return or_well(
        found, "connections", f"{facts.used} of {facts.of_server} in use; a worker may need {needed} at most"
    )


def check_vacuum(facts: VacuumFacts, tables: Sequence[TableFacts]) -> list[Finding]:
    """Whether dead rows go: each refresh leaves one."""
    return or_well(_of_vacuum(facts, tables), "autovacuum", "on, and it keeps up")


def _of_vacuum(facts: VacuumFacts, tables: Sequence[TableFacts]) -> Iterator[Finding]:
    if not (facts.is_on and facts.counts):
        off = "autovacuum" if not facts.is_on else "track_counts"
        yield wrong("autovacuum", f"{off} is off: the rows that each refresh leaves stay for ever", f"{off} = on")
    for table in tables:
        if not table.vacuums:
            yield wrong(
                "autovacuum",
                f"it is off for the table {table.name}",
                f"ALTER TABLE {table.name} RESET (autovacuum_enabled)",
            )
        if table.dead > max(_MANY_DEAD, table.live / 2):
            yield look(
                "autovacuum",
                f"{table.name} has {table.dead:,} dead rows beside {table.live:,}: it does not keep up",
                f"end transactions that stay open (pg_stat_activity, xact_start), then VACUUM {table.name}",
            )
    if facts.oldest_transaction > _OLD_TRANSACTION:
        yield wrong(
            "autovacuum",
            f"the oldest transaction is {facts.oldest_transaction:,} old; at 2,147,483,648 PostgreSQL takes no writes",
            "end what holds it (transactions, prepared ones, slots), then VACUUM",
        )


def check_schema(revision: str | None) -> list[Finding]:
    """Whether the schema is the one that this version needs, or a newer one."""
    if revision is None or revision < REVISION:
        return [
            wrong("schema", f"it is behind ({revision or 'empty'}, not {REVISION})", "`wutang-auth migrate`"),
        ]
    newer = f", newer than this version's ({REVISION})" if revision > REVISION else ""
    return [well("schema", f"{revision}{newer}")]


def check_clock(ahead: timedelta, *, uncertainty: timedelta, skew: timedelta) -> list[Finding]:
    """Whether the clock of this machine agrees with the database's.

    Args:
        ahead: How far this machine is ahead; negative: behind.
        uncertainty: How exactly that is known.
        skew: By how much the clocks of two instances may differ.
    """
    apart = max(abs(ahead) - uncertainty, timedelta(0))
    if apart <= _EXACT:
        return [well("clocks", "this machine agrees with the database")]
    says = (
        f"this machine is {apart.total_seconds():.0f} s {'ahead of' if ahead > timedelta(0) else 'behind'} the database"
    )
    remedy = (
        "synchronize both (chrony, systemd-timesyncd): instances whose clocks differ by more than"
        f" {PREFIX}CLOCK_SKEW refuse each other's tokens"
    )
    return [wrong("clocks", says, remedy) if apart > skew else look("clocks", says, remedy)]
