"""What is said of a PostgreSQL whose state no test can bring about: another clock, another year, a standby."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from wutang_auth.repository.examination import (
    ConnectionFacts,
    DurabilityFacts,
    HashForm,
    ServerFacts,
    TableFacts,
    VacuumFacts,
)
from wutang_auth.service.doctor.contents import check_hashes, check_size
from wutang_auth.service.doctor.findings import Finding
from wutang_auth.service.doctor.postgresql import (
    check_clock,
    check_connections,
    check_durability,
    check_server,
    check_vacuum,
)

SERVER = ServerFacts(major=18, encoding="UTF8", role="service", is_superuser=False, is_local=False, is_encrypted=True)
DURABLE = DurabilityFacts(
    synchronous_commit="on", fsync="on", full_page_writes="on", awaited_standbys="ANY 1 (*)", standbys=1, idle_slots=0
)
CONNECTIONS = ConnectionFacts(of_server=97, of_database=-1, of_role=-1, used=40)
VACUUM = VacuumFacts(is_on=True, counts=True, oldest_transaction=200_000_000)
SESSIONS = TableFacts(name="sessions", live=100_000, dead=900, bytes=50 * 2**20, vacuums=True)


def only(found: list[Finding]) -> tuple[str, str]:
    """Verdict and words of the one finding."""
    [finding] = found
    return finding.verdict, finding.says


@pytest.mark.parametrize(
    ("ahead", "verdict", "says"),
    [
        (0.0, "well", "this machine agrees with the database"),
        (1.4, "well", "this machine agrees with the database"),
        (3.0, "look", "this machine is 2 s ahead of the database"),
        (-4.5, "look", "this machine is 4 s behind the database"),
        (60.5, "wrong", "this machine is 60 s ahead of the database"),
        (-86_400.0, "wrong", "this machine is 86400 s behind the database"),
    ],
)
def test_clocks_may_differ_by_what_tokens_may(ahead: float, verdict: str, says: str) -> None:
    found = check_clock(timedelta(seconds=ahead), uncertainty=timedelta(seconds=0.5), skew=timedelta(seconds=5))
    assert only(found) == (verdict, says)


def test_an_old_version_is_to_look_at_when_its_five_years_are_over() -> None:
    assert only(check_server(replace(SERVER, major=14), date(2026, 11, 1)))[0] == "well"
    verdict, says = only(check_server(replace(SERVER, major=14), date(2026, 12, 1)))
    assert (verdict, says) == ("look", "PostgreSQL 14 gets no corrections since November 2026")
    assert only(check_server(SERVER, date(2026, 12, 1))) == ("well", "PostgreSQL 18, UTF8")


def test_a_connection_to_another_machine_is_to_be_encrypted() -> None:
    open_ = replace(SERVER, is_encrypted=False)
    assert only(check_server(open_, date(2026, 12, 1))) == (
        "look", "the connection to another machine is not encrypted",
    )  # fmt: skip
    assert only(check_server(replace(open_, is_local=True), date(2026, 12, 1)))[0] == "well"


@pytest.mark.parametrize(
    ("facts", "verdict", "says"),
    [
        (DURABLE, "well", "a commit waits for the disk; standbys: 1"),
        (replace(DURABLE, fsync="off"), "wrong", "fsync is off: a crash of the machine may ruin the database"),
        (replace(DURABLE, standbys=0), "wrong", "no standby is connected, and every write waits for one"),
        (
            replace(DURABLE, awaited_standbys="", standbys=2),
            "look",
            "no synchronous standby: with this server's disk, logouts are lost that were answered",
        ),
        (
            replace(DURABLE, synchronous_commit="local"),
            "wrong",
            "synchronous_commit is local: a logout that was answered may be forgotten in a failover",
        ),
        (
            replace(DURABLE, idle_slots=2),
            "look",
            "replication slots that nobody uses: 2; the server keeps all WAL for them",
        ),
        (
            replace(DURABLE, full_page_writes="off"),
            "look",
            "full_page_writes is off, which only some file systems can do without",
        ),
    ],
)  # fmt: skip
def test_a_commit_that_was_answered_holds(facts: DurabilityFacts, verdict: str, says: str) -> None:
    assert only(check_durability(facts)) == (verdict, says)


def test_the_smallest_limit_of_connections_counts() -> None:
    assert only(check_connections(CONNECTIONS, 36)) == (
        "well", "40 of 97 in use; a worker may need 36 at most",
    )  # fmt: skip
    for limited in (replace(CONNECTIONS, of_role=20), replace(CONNECTIONS, of_database=20)):
        assert only(check_connections(limited, 36))[1].endswith("PostgreSQL gives this role 20 at most")
    assert only(check_connections(replace(CONNECTIONS, used=95), 36)) == ("look", "95 of 97 connections are in use")


@pytest.mark.parametrize(
    ("facts", "table", "verdict", "words"),
    [
        (VACUUM, SESSIONS, "well", "it keeps up"),
        (VACUUM, replace(SESSIONS, live=10, dead=9000), "well", "it keeps up"),
        (VACUUM, replace(SESSIONS, dead=60_000), "look", "60,000 dead rows beside 100,000"),
        (replace(VACUUM, is_on=False), SESSIONS, "wrong", "autovacuum is off"),
        (replace(VACUUM, counts=False), SESSIONS, "wrong", "track_counts is off"),
        (replace(VACUUM, oldest_transaction=1_900_000_000), SESSIONS, "wrong", "1,900,000,000 old"),
    ],
)
def test_dead_rows_go(facts: VacuumFacts, table: TableFacts, verdict: str, words: str) -> None:
    found = only(check_vacuum(facts, [table]))
    assert found[0] == verdict
    assert words in found[1]


def test_a_table_that_is_mostly_empty_is_to_look_at() -> None:
    assert only(check_size([SESSIONS], 0)) == ("well", "50 MiB for about 100,000")
    assert only(check_size([replace(SESSIONS, bytes=2**30)], 0))[1].endswith("most of it is empty")
    assert only(check_size([replace(SESSIONS, live=10)], 0))[0] == "well"
    assert check_size([], 0) == []


def test_the_slowest_hash_is_what_every_refusal_waits_for() -> None:
    quick, slow = HashForm("$2y$10$", "quick", 5), HashForm("$2y$14$", "slow", 2)
    assert only(check_hashes([quick], {"quick": 0.06})) == ("well", "5 2y 10 (60 ms)")
    assert only(check_hashes([quick, slow], {"quick": 0.06, "slow": 1.0})) == (
        "look", "2y 14 takes 1.0 s (2 users), and every refused login takes as long",
    )  # fmt: skip
    assert only(check_hashes([], {})) == ("well", "there are none")
