"""What the driver and the network raise, and what it means."""

import asyncio

import asyncpg

from wutang_auth.errors import DatabaseUnavailable

# SQLSTATEs, or their classes, that say that this server cannot serve now and another attempt may succeed: connection,
# read-only (a demoted primary), authorization, catalogue, rollback (deadlock, serialization), resources, object state,
# operator intervention, system error, internal error; a result type that a migration changed; a table or column that
# a migration has yet to make.
_UNAVAILABLE = ("08", "25006", "28", "3D", "40", "53", "55", "57", "58", "XX", "0A000", "42P01", "42703")

# Those of them that blame one statement or a want of connections, not the connection they came on: deadlock, resources,
# object state, a missing table or column, a statement that was cancelled (by `statement_timeout`).
_LEAVES_USABLE = ("40", "53", "55", "42", "57014")


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
        return (error.sqlstate or "").startswith(_UNAVAILABLE)
    return isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError) or (
        # those that are also ValueError or TypeError blame the arguments or the URL
        isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError | TypeError)
    )


def raise_translated(error: BaseException) -> None:
    """Raise the domain error for what the driver or the network raised, if there is one.

    Raises:
        DatabaseUnavailable: PostgreSQL is away, too slow or read-only.
    """
    if is_unavailable(error):
        raise DatabaseUnavailable(type(error).__name__) from error
