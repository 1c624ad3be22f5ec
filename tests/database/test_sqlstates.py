"""Every SQLSTATE of PostgreSQL's manual has a fate."""

import asyncpg
import pytest

from wutang_auth.database import sqlstates
from wutang_auth.database.failures import failure_of, is_unavailable, raise_translated
from wutang_auth.database.sqlstates import Fate, Shown, meaning
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable


def appendix_a() -> set[str]:
    """All codes, of which asyncpg has a class for each (PostgreSQL, Appendix A)."""
    pending: list[type] = [asyncpg.PostgresError, asyncpg.PostgresLogMessage]
    found = set()
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        found.add(vars(kind).get("sqlstate"))
    return {state for state in found if state}


ALL = sorted(appendix_a())


def refusal(sqlstate: str, message: str = "canary") -> asyncpg.PostgresError:
    error = asyncpg.PostgresError(message)
    error.sqlstate = sqlstate
    return error


def translated(error: BaseException) -> type[BaseException] | None:
    """The class of what is raised for this error, if anything is."""
    try:
        raise_translated(error)
    except DatabaseUnavailable as raised:
        return type(raised)
    return None


def test_appendix_is_whole() -> None:
    assert len(ALL) > 240
    assert {state[:2] for state in ALL} <= sqlstates.CLASSES.keys()


@pytest.mark.parametrize("sqlstate", ALL)
def test_every_sqlstate_has_a_fate(sqlstate: str) -> None:
    found = meaning(sqlstate)
    assert found is not sqlstates.UNKNOWN
    error = refusal(sqlstate)
    assert is_unavailable(error) == (found.fate is not Fate.OURS)
    expected = {Fate.RETRY: DatabaseUnavailable, Fate.OPERATOR: DatabaseMisconfigured, Fate.OURS: None}[found.fate]
    assert translated(error) is expected
    if found.fate is Fate.OPERATOR:
        assert found.remedy
    assert ("canary" in str(failure_of(error))) == (found.shown is not Shown.TO_NOBODY)
    assert ("canary" in failure_of(error).public) == (found.shown is Shown.TO_EVERYONE)


@pytest.mark.parametrize("sqlstate", ALL)
def test_no_refused_connection_is_a_bug(sqlstate: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        raise_translated(refusal(sqlstate), connecting=True)


FATES = {
    "08006": Fate.RETRY, "40001": Fate.RETRY, "40P01": Fate.RETRY, "53300": Fate.RETRY, "55P03": Fate.RETRY,
    "57014": Fate.RETRY, "57P01": Fate.RETRY, "57P03": Fate.RETRY, "25006": Fate.RETRY, "0A000": Fate.RETRY,
    "28P01": Fate.OPERATOR, "28000": Fate.OPERATOR, "3D000": Fate.OPERATOR, "3F000": Fate.OPERATOR,
    "42501": Fate.OPERATOR, "42P01": Fate.OPERATOR, "42703": Fate.OPERATOR, "26000": Fate.OPERATOR,
    "42P05": Fate.OPERATOR, "53100": Fate.OPERATOR, "57P04": Fate.OPERATOR, "F0000": Fate.OPERATOR,
    "23505": Fate.OURS, "22P02": Fate.OURS, "22P05": Fate.OURS, "42601": Fate.OURS, "25P02": Fate.OURS,
    # of no edition of the manual: by their class, or nothing is known of them
    "08ZZZ": Fate.RETRY, "53ZZZ": Fate.RETRY, "28ZZZ": Fate.OPERATOR, "42ZZZ": Fate.OURS, "XXUUU": Fate.RETRY,
    "CR000": Fate.OURS, "": Fate.OURS,
}  # fmt: skip


@pytest.mark.parametrize("sqlstate", FATES)
def test_fate(sqlstate: str) -> None:
    assert meaning(sqlstate).fate is FATES[sqlstate]


@pytest.mark.parametrize("sqlstate", ["22P02", "22001", "P0001", "38000", "ZZZZZ"])
def test_message_that_may_hold_a_value_is_shown_to_nobody(sqlstate: str) -> None:
    assert "canary" not in str(failure_of(refusal(sqlstate)))


def test_message_is_one_line() -> None:
    assert str(failure_of(refusal("42883", "a\nb\n  c"))) == "a b c"


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("permission denied for schema public", "GRANT USAGE, CREATE ON SCHEMA public TO <role>"),
        ("permission denied for table users", "GRANT SELECT, INSERT, UPDATE, DELETE ON users TO <role>"),
        (
            'permission denied to create temporary tables in database "a b"',
            'GRANT TEMPORARY ON DATABASE "a b" TO <role>',
        ),
        (
            "permission denied for sequence users_id_seq",
            "GRANT USAGE, SELECT, UPDATE ON SEQUENCE users_id_seq TO <role>",
        ),
        ("must be owner of table users", "connect as the role that owns it"),
        ("keine Berechtigung für Tabelle users", "docs/privileges.md has the GRANTs"),
    ],
)
def test_missing_privilege_is_said_with_the_grant(message: str, remedy: str) -> None:
    assert str(failure_of(refusal("42501", message))) == f"{message}; {remedy}"
