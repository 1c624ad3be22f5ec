"""What each SQLSTATE means for this service (PostgreSQL, Appendix A: PostgreSQL Error Codes)."""

import re
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """Who can do something about it."""

    RETRY = "the same may succeed a little later"
    OPERATOR = "it succeeds when an operator has changed something"
    OURS = "the service sent what it should not have sent"


class Shown(Enum):
    """Who sees PostgreSQL's own message."""

    TO_NOBODY = "it holds values"
    TO_OPERATORS = "it holds names of roles, databases and files"
    TO_EVERYONE = "it holds names that are in this repository"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a SQLSTATE, or a class of them, means."""

    fate: Fate
    summary: str
    """For everyone, without names."""
    shown: Shown = Shown.TO_OPERATORS
    remedy: str = ""
    """What helps, for operators."""


_PREPARED = (
    "set WUTANG_DB_PREPARED_STATEMENTS=false: a pooler is in between that cannot take prepared statements"
    " (PgBouncer before 1.21 in transaction mode)"
)
_MIGRATE = "run `wutang-auth migrate`"
_URL = "check WUTANG_DATABASE_URL"


def _retry(summary: str, remedy: str = "") -> Meaning:
    return Meaning(Fate.RETRY, summary, remedy=remedy)


def _operator(summary: str, remedy: str, shown: Shown = Shown.TO_OPERATORS) -> Meaning:
    return Meaning(Fate.OPERATOR, summary, shown, remedy)


def _ours(summary: str, shown: Shown = Shown.TO_OPERATORS) -> Meaning:
    return Meaning(Fate.OURS, summary, shown)


CLASSES = {
    "00": _ours("successful completion"),
    "01": _ours("a warning"),
    "02": _ours("no data"),
    "03": _ours("SQL statement not yet complete"),
    "08": _retry("the connection failed"),
    "09": _ours("triggered action exception"),
    "0A": _ours("feature not supported"),
    "0B": _ours("invalid transaction initiation"),
    "0F": _ours("locator exception"),
    "0L": _ours("invalid grantor"),
    "0P": _operator("the role cannot be used", _URL),
    "0Z": _ours("diagnostics exception"),
    "10": _ours("XQuery error"),
    "20": _ours("case not found"),
    "21": _ours("cardinality violation"),
    "22": _ours("a value that PostgreSQL cannot take", Shown.TO_NOBODY),
    "23": _ours("a constraint is violated"),
    "24": _ours("invalid cursor state"),
    "25": _ours("invalid transaction state"),
    "26": _operator("prepared statements do not reach PostgreSQL", _PREPARED),
    "27": _ours("triggered data change violation"),
    "28": _operator("PostgreSQL refuses the login", _URL),
    "2B": _ours("dependent privilege descriptors still exist"),
    "2D": _ours("invalid transaction termination"),
    "2F": _ours("SQL routine exception", Shown.TO_NOBODY),
    "34": _ours("invalid cursor name"),
    "38": _ours("external routine exception", Shown.TO_NOBODY),
    "39": _ours("external routine invocation exception", Shown.TO_NOBODY),
    "3B": _ours("savepoint exception"),
    "3D": _operator("the database does not exist", _URL),
    "3F": _operator("the schema does not exist", "check the role's search_path"),
    "40": _retry("the transaction was rolled back"),
    "42": _ours("PostgreSQL does not take the statement"),
    "44": _ours("WITH CHECK OPTION violation"),
    "53": _retry("PostgreSQL has too few resources"),
    "54": _ours("a limit of PostgreSQL is exceeded"),
    "55": _retry("an object is not in the state that is needed"),
    "57": _retry("PostgreSQL was told to stop this"),
    "58": _retry("PostgreSQL's system failed"),
    "72": _retry("the snapshot is too old"),
    "F0": _operator("PostgreSQL's configuration is wrong", "see PostgreSQL's own log"),
    "HV": _ours("foreign data wrapper error", Shown.TO_NOBODY),
    "P0": _ours("a function or trigger raised an error", Shown.TO_NOBODY),
    "XX": _retry("PostgreSQL failed inside"),
}

_STATES = {
    # a result type that a migration changed while the statement was prepared
    "0A000": _retry("the schema has changed"),
    "25006": _retry("PostgreSQL takes no writes"),
    "25P03": _retry("the transaction was idle for too long"),
    "25P04": _retry("the transaction took too long"),
    "42501": _operator("permission denied", "docs/privileges.md has the GRANTs", Shown.TO_EVERYONE),
    "42703": _operator("the schema is behind", _MIGRATE, Shown.TO_EVERYONE),
    "42P01": _operator("the schema is behind", _MIGRATE, Shown.TO_EVERYONE),
    "42P05": _operator("prepared statements do not reach PostgreSQL", _PREPARED),
    "53100": _operator("the disk is full", "make room on PostgreSQL's disk"),
    "53300": _retry("PostgreSQL takes no more connections", "lower WUTANG_DB_POOL_SIZE or raise max_connections"),
    "53400": _operator("a limit of PostgreSQL's configuration is exceeded", "see PostgreSQL's own log"),
    "55P02": _operator("a parameter cannot be changed now", _URL),
    "57P04": _operator("the database was dropped", _URL),
    "58P01": _operator("a file of PostgreSQL's is missing", "see PostgreSQL's own log"),
    "58P02": _operator("a file of PostgreSQL's is there twice", "see PostgreSQL's own log"),
    "XX001": _operator("PostgreSQL's data is damaged", "see PostgreSQL's own log"),
    "XX002": _operator("an index of PostgreSQL's is damaged", "see PostgreSQL's own log"),
}

# A class that is none of PostgreSQL's: of another engine, or raised in a function. Its message may hold anything.
UNKNOWN = _ours("an error that PostgreSQL does not know", Shown.TO_NOBODY)


def meaning(sqlstate: str) -> Meaning:
    """What a SQLSTATE means: what is known of it, or of its class."""
    return _STATES.get(sqlstate) or CLASSES.get(sqlstate[:2], UNKNOWN)


def meaning_of_refused_connection(sqlstate: str) -> Meaning:
    """What a SQLSTATE means that came instead of a connection, where no statement can be to blame."""
    found = meaning(sqlstate)
    if found.fate is not Fate.OURS:
        return found
    return Meaning(Fate.OPERATOR, found.summary, found.shown, _URL)


_GRANTS = (
    (r"permission denied for schema (\S+)", "GRANT USAGE, CREATE ON SCHEMA {} TO <role>"),
    (r"permission denied for (?:table|relation|view) (\S+)", "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO <role>"),
    (r"permission denied for sequence (\S+)", "GRANT USAGE, SELECT, UPDATE ON SEQUENCE {} TO <role>"),
    (r"permission denied to create temporary tables in database (.+)", "GRANT TEMPORARY ON DATABASE {} TO <role>"),
    (r"permission denied for database (\S+)", "GRANT CONNECT, TEMPORARY ON DATABASE {} TO <role>"),
    (r"must be owner of \w+ (\S+)", "connect as the role that owns it"),
)


def grant(message: str) -> str:
    """What gives the privilege that is missing by PostgreSQL's message; empty where that is in another language."""
    for pattern, statement in _GRANTS:
        if found := re.fullmatch(pattern, message):
            return statement.format(found[1])
    return ""
