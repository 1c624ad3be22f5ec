"""What the driver and the network raise, and what it means."""

import asyncio
import configparser
import os
import socket
import ssl
from dataclasses import dataclass

import asyncpg

from wutang_auth.database import sqlstates
from wutang_auth.database.sqlstates import Fate, Shown
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable, in_words

# Those SQLSTATEs for which another attempt may succeed, or their classes, that blame one statement or a want of
# connections, not the connection they came on: deadlock, resources, object state, a missing table, column or privilege,
# a statement that was cancelled (by `statement_timeout`).
_LEAVES_USABLE = ("40", "53", "55", "42", "57014")

# What asyncpg raises where the URL, a PG… variable or a file that they name is no use; asyncpg.InterfaceError too.
CONFIGURATION_ERRORS = (ValueError, TypeError, LookupError, configparser.Error)


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened, for people: one line each, without values."""

    fate: Fate
    public: str
    """For everyone, as at /readyz."""
    words: str
    """For operators, as in the log: with PostgreSQL's own message where that holds no value."""
    remedy: str = ""
    """What helps, for operators."""

    def __str__(self) -> str:
        return f"{self.words}; {self.remedy}" if self.remedy else self.words


def leaves_usable(error: BaseException) -> bool:
    """Whether the connection can serve the next request after this error."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        # the server reached us and tells of a connection of its own, as a distributed engine has them to other nodes
        if state.startswith(_LEAVES_USABLE) or (state.startswith("08") and error.severity_en == "ERROR"):
            return True
    return not isinstance(error, asyncio.CancelledError) and not is_unavailable(error)


def is_unavailable(error: BaseException) -> bool:
    """Whether the database, not the statement, is to blame."""
    if isinstance(error, asyncpg.PostgresError):
        return sqlstates.meaning(error.sqlstate or "").fate is not Fate.OURS
    return isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError) or (
        # those that are also ValueError or TypeError blame the arguments
        isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError | TypeError)
    )


def raise_translated(error: BaseException, *, connecting: bool = False) -> None:
    """Raise the domain error for what the driver or the network raised, if there is one.

    Raises:
        DatabaseUnavailable: PostgreSQL is away, too slow or read-only.
        DatabaseMisconfigured: it refuses until an operator has changed something.
    """
    if isinstance(error, DatabaseMisconfigured):
        raise error
    failure = failure_of(error, connecting=connecting)
    if failure.fate is Fate.OPERATOR:
        raise DatabaseMisconfigured(str(failure), public=failure.public) from error
    if failure.fate is Fate.RETRY:
        raise DatabaseUnavailable(str(failure)) from error


def failure_of(error: BaseException, *, connecting: bool = False) -> Failure:
    """What happened, from whatever was raised on the way to PostgreSQL and back.

    Args:
        error: What was raised.
        connecting: Whether it came instead of a connection, so that no statement can be to blame.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return _of_server(
            error, sqlstates.meaning_of_refused_connection(state) if connecting else sqlstates.meaning(state)
        )
    return (connecting and _of_configuration(error)) or _of_network(error)


def _of_server(error: asyncpg.PostgresError, meaning: sqlstates.Meaning) -> Failure:
    message = " ".join(str(error.message or error).split())
    words = f"{meaning.summary} (SQLSTATE {error.sqlstate})" if meaning.shown is Shown.TO_NOBODY else message
    public = meaning.summary
    if meaning.shown is Shown.TO_EVERYONE:
        public = f"{meaning.summary}: {message}" if meaning.summary not in message else message
    remedy = (error.sqlstate == "42501" and sqlstates.grant(message)) or meaning.remedy
    return Failure(meaning.fate, public, words, remedy)


def _of_configuration(error: BaseException) -> Failure | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"PostgreSQL's certificate is not accepted: {error.verify_message}"
        return _of_operator("PostgreSQL's certificate is not accepted", words, "check sslrootcert and the host's name")
    if isinstance(error, PermissionError):
        return _of_operator("a file cannot be read", _of_system(error), "")
    if isinstance(error, asyncpg.ClientConfigurationError):
        words = str(error).partition("\n")[0]
        return _of_operator("the connection cannot be configured", words, "check WUTANG_DATABASE_URL")
    if isinstance(error, CONFIGURATION_ERRORS) and not isinstance(error, OSError):
        words = "the connection cannot be configured"
        return _of_operator(words, words, "check WUTANG_DATABASE_URL and the environment's PG… variables")
    return None


def _of_operator(public: str, words: str, remedy: str) -> Failure:
    return Failure(Fate.OPERATOR, public, words, remedy)


def _of_network(error: BaseException) -> Failure:
    if not is_unavailable(error):
        return Failure(Fate.OURS, "a bug", in_words(error))
    if isinstance(error, TimeoutError):
        words = "no answer in time"
    elif isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        words = "no host takes writes: each is a standby, or default_transaction_read_only is on"
    elif isinstance(error, OSError):
        words = _of_system(error)
    else:
        words = "the connection was lost"
    return Failure(Fate.RETRY, "database unavailable", words)


def _of_system(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'no reason given').replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return f"the host's name is not known: {error.strerror}"
    if error.errno is None:
        return str(error)  # asyncpg's own, which name host and port
    reason = os.strerror(error.errno)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"a socket, certificate or key: {reason}"
    return reason
