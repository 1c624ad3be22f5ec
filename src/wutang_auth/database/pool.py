"""Connections, a bounded number of them, each statement with a time limit."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg

from wutang_auth.context import request_context
from wutang_auth.database.failure_log import FailureLog
from wutang_auth.database.failures import failure_of, is_unavailable, leaves_usable, raise_translated
from wutang_auth.database.hosts import Hosts
from wutang_auth.database.sqlstates import Fate
from wutang_auth.database.statement import Statement
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable

_WATCH_SECONDS = 0.1
_FULL_SECONDS = 1.0  # for so long a server that took no more connections is not asked for another one


class _Prepared(Protocol):
    """What asyncpg's prepared statement does for us."""

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]: ...


class _Unprepared:
    """The same for a statement that is sent as text each time."""

    def __init__(self, raw: "asyncpg.Connection[Any]", sql: str) -> None:
        self._raw = raw
        self._sql = sql

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._raw.fetch(self._sql, *arguments)
        return rows


class _Connection:
    """An asyncpg connection with the statements that are prepared on it."""

    __slots__ = ("deadline", "generation", "prepared", "raw", "settings")

    def __init__(self, raw: "asyncpg.Connection[Any]", generation: int) -> None:
        self.raw = raw
        self.generation = generation
        """That of the pool when it was made; one of an older generation is not used again."""
        self.deadline = math.inf
        """When the statement that it runs has taken too long, by the loop's clock."""
        self.settings = raw.get_settings()
        self.prepared: dict[Statement, _Prepared] = {}

    def ensure_writable(self) -> None:
        """Raise if the server has become read-only, which it tells with the answer to the next statement.

        SECURITY: a primary that was demoted does not know of the log-outs on the new one, but it would go on answering
        """
        if getattr(self.settings, "default_transaction_read_only", "off") != "off":
            raise asyncpg.ReadOnlySQLTransactionError("the server has become read-only")


class Database:
    """A bounded set of PostgreSQL connections.

    A free list instead of asyncpg's pool: no query at release, statements stay prepared, and at 32 requests at once
    it serves 1.3 times as many. After a lost, stuck or read-only connection every older one is dropped too, so that a
    failover costs one failure, not one for each connection. Of several hosts it takes the first that answers and can
    write; one that is silent keeps nobody from the others.

    All methods raise:
        DatabaseUnavailable: PostgreSQL is away, too slow or read-only. What was sent may have happened nevertheless.
        DatabaseMisconfigured: PostgreSQL refuses until an operator has changed something.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 32,
        connect_timeout: float = 2.0,
        statement_timeout: float = 2.0,
        pool_timeout: float = 1.0,
        prepare: bool = True,
        server_settings: Mapping[str, str] = {},
        failure_log: FailureLog | None = None,
    ) -> None:
        self._hosts = Hosts(
            url,
            statement_cache_size=100 if prepare else 0,
            server_settings=server_settings,
        )
        self._size = size
        self._connect_timeout = connect_timeout
        self._statement_timeout = statement_timeout
        self.pool_timeout = pool_timeout
        self._prepare = prepare
        self._failure_log = failure_log
        self._connections: set[_Connection] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._idle: list[_Connection] = []
        self._waiting: deque[asyncio.Future[_Connection | None]] = deque()
        self._open = 0
        self._generation = 0
        self._server_full_until = 0.0
        self._closed = False

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own and return its rows."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        budget = request_context.get().budget
        deadline = math.inf if budget is None else started + budget.seconds_left
        connection = self._take() or await self._acquire(deadline)
        connection.deadline = min(loop.time() + self._statement_timeout, deadline)
        try:
            prepared = connection.prepared.get(statement) or await self._prepared(connection, statement)
            rows: list[asyncpg.Record] = await prepared.fetch(*statement.arguments(parameters))
            connection.ensure_writable()
        except BaseException as error:
            self._release(connection, error)
            self._raise_translated(error, statement)
            raise
        finally:
            if budget is not None:
                budget.seconds_left -= loop.time() - started
        self._release(connection)
        if self._failure_log is not None and self._failure_log.failing:
            self._failure_log.succeeded(statement)
        return rows

    async def fetchrow(self, statement: Statement, **parameters: Any) -> asyncpg.Record | None:
        """Run one statement in a transaction of its own and return its first row."""
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Several statements on one connection that happen together or not at all."""
        loop = asyncio.get_running_loop()
        budget = request_context.get().budget
        deadline = math.inf if budget is None else loop.time() + budget.seconds_left
        async with self.connection(deadline) as raw:
            timer = loop.call_at(min(loop.time() + 3 * self._statement_timeout, deadline), raw.terminate)
            try:
                async with raw.transaction(isolation="read_committed"):
                    yield Transaction(raw, self._failure_log)
            finally:
                timer.cancel()

    @asynccontextmanager
    async def connection(self, deadline: float = math.inf) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A bare connection, for COPY; no time limit but the caller's once it is there."""
        connection = self._take() or await self._acquire(deadline)
        try:
            yield connection.raw
        except BaseException as error:
            self._release(connection, error)
            raise_translated(error)
            raise
        self._release(connection)

    async def close(self) -> None:
        """Close every idle connection; those in use close at their release."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            self._open -= 1
            self._connections.discard(connection)
            try:
                await asyncio.wait_for(connection.raw.close(), self._connect_timeout)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.raw.terminate()

    async def _prepared(self, connection: _Connection, statement: Statement) -> "_Prepared":
        """The statement on this connection, prepared for the next time too unless a pooler is in between."""
        if not self._prepare:
            return _Unprepared(connection.raw, statement.sql)
        prepared: _Prepared = await connection.raw.prepare(statement.sql)
        connection.prepared[statement] = prepared
        return prepared

    def _raise_translated(self, error: BaseException, statement: Statement | None, *, connecting: bool = False) -> None:
        try:
            raise_translated(error, connecting=connecting)
        except DatabaseMisconfigured as misconfigured:
            if self._failure_log is not None:
                self._failure_log.failed(statement, str(misconfigured))
            raise

    def _take(self) -> _Connection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.generation == self._generation and not connection.raw.is_closed():
                return connection
            self._drop(connection)
        return None

    async def _acquire(self, deadline: float) -> _Connection:
        """A connection that nobody else has.

        Raises:
            DatabaseUnavailable: also when none is free in time.
        """
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline:
            raise DatabaseUnavailable("the request has waited long enough")
        if self._has_slot():
            self._open += 1
            try:
                return await self._connect(deadline)
            except DatabaseUnavailable as error:
                if not isinstance(error.__cause__, asyncpg.TooManyConnectionsError) or self._open == 0:
                    raise
                # the server takes no more of them, but those that it took will do
        waiter: asyncio.Future[_Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_at(min(loop.time() + self.pool_timeout, deadline), _give_up, waiter)
        try:
            handed = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                handed = waiter.result()
                if handed is not None:
                    self._release(handed)
                else:
                    self._open -= 1
                    self._wake_waiter()
            raise
        finally:
            timer.cancel()
        return handed or await self._connect(deadline)

    async def _connect(self, deadline: float) -> _Connection:
        """Connect in a slot that `_open` already counts."""
        generation = self._generation
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(loop.time() + self._connect_timeout, deadline)):
                raw = await self._hosts.connect()
        except BaseException as error:
            self._open -= 1
            if isinstance(error, asyncpg.TooManyConnectionsError):
                self._server_full_until = loop.time() + _FULL_SECONDS
            self._wake_waiter()
            self._raise_translated(error, None, connecting=True)
            raise
        if self._failure_log is not None:
            self._failure_log.succeeded(None)
        connection = _Connection(raw, generation)
        self._connections.add(connection)
        if self._watch is None:
            self._watch = loop.call_later(_WATCH_SECONDS, self._cut_overdue)
        return connection

    def _cut_overdue(self) -> None:
        """Cut the connections whose statement is past its time limit, and look again soon.

        SECURITY: the connection is cut, the statement is not cancelled: a cancelled COMMIT that waits for its
        synchronous standby would become visible without being safe.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if len(self._idle) < len(self._connections):
            for connection in self._connections:
                if connection.deadline < now:
                    connection.raw.terminate()
        self._watch = loop.call_later(_WATCH_SECONDS, self._cut_overdue) if self._connections else None

    def _has_slot(self) -> bool:
        """Whether one more connection may be made."""
        if self._open >= self._size:
            return False
        return self._open == 0 or asyncio.get_running_loop().time() >= self._server_full_until

    def _release(self, connection: _Connection, error: BaseException | None = None) -> None:
        raw = connection.raw
        connection.deadline = math.inf
        if error is not None and not leaves_usable(error):
            if is_unavailable(error):
                self._generation += 1
            self._drop(connection)
        elif connection.generation != self._generation or self._closed or raw.is_closed():
            self._drop(connection)
        else:
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(connection)
                    return
            self._idle.append(connection)

    def _drop(self, connection: _Connection) -> None:
        self._open -= 1
        self._connections.discard(connection)
        connection.raw.terminate()
        self._wake_waiter()

    def _wake_waiter(self) -> None:
        """Let the first who waits make a connection of its own, in a slot that is counted here."""
        while self._waiting and self._has_slot():
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._open += 1
                waiter.set_result(None)


class Transaction:
    """One open transaction: the same two verbs as Database."""

    __slots__ = ("_failure_log", "_raw")

    def __init__(self, raw: "asyncpg.Connection[Any]", failure_log: FailureLog | None) -> None:
        self._raw = raw
        self._failure_log = failure_log

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        try:
            rows: list[asyncpg.Record] = await self._raw.fetch(statement.sql, *statement.arguments(parameters))
        except asyncpg.PostgresError as error:
            # translated by whoever has the connection, who must know whether it can be used on
            failure = failure_of(error)
            if self._failure_log is not None and failure.fate is Fate.OPERATOR:
                self._failure_log.failed(statement, str(failure))
            raise
        if self._failure_log is not None and self._failure_log.failing:
            self._failure_log.succeeded(statement)
        return rows

    async def fetchrow(self, statement: Statement, **parameters: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None


def _give_up(waiter: "asyncio.Future[_Connection | None]") -> None:
    if not waiter.done():
        waiter.set_exception(DatabaseUnavailable("no free connection in time"))
