"""The database: statements and transactions, each with a time limit, on a bounded number of connections."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from wutang_auth.context import request_context
from wutang_auth.database.connection import Connection
from wutang_auth.database.failure_log import FailureLog
from wutang_auth.database.failures import failure_of, is_unavailable, leaves_usable, raise_translated
from wutang_auth.database.hosts import Hosts
from wutang_auth.database.slots import NoMoreToBeHad, Slots
from wutang_auth.database.statement import Statement
from wutang_auth.database.transaction import Transaction
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable
from wutang_auth.observability.observers import DatabaseError, DatabaseObserver

_WATCH_SECONDS: Final = 0.1


class Database:
    """A bounded set of PostgreSQL connections.

    After a lost, stuck or read-only connection every older one is dropped too, so that a failover costs one failure,
    not one for each connection. Of several hosts it takes the first that answers and can write; one that is silent
    keeps nobody from the others. One that was silent has to prove that it is still the primary.

    Args:
        max_silence: After how many seconds without an answer. A failover must take longer: with Patroni that is `ttl`
            less `loop_wait`, from a freeze on.

    All methods raise:
        DatabaseUnavailable: PostgreSQL is away, too slow or read-only. What was sent may have happened nevertheless.
        DatabaseMisconfigured: PostgreSQL refuses until an operator has changed something.
    """

    transaction_kind = Transaction
    """What `transaction` gives."""

    def __init__(
        self,
        url: str,
        *,
        size: int = 32,
        connect_timeout: float = 2.0,
        statement_timeout: float = 2.0,
        pool_timeout: float = 1.0,
        max_silence: float = 5.0,
        prepare: bool = True,
        server_settings: Mapping[str, str] = {},
        failure_log: FailureLog | None = None,
        observer: DatabaseObserver | None = None,
    ) -> None:
        self._observer = observer
        self._hosts = Hosts(
            url,
            max_silence=max_silence,
            statement_cache_size=100 if prepare else 0,
            server_settings=server_settings,
        )
        self._connect_timeout = connect_timeout
        self._statement_timeout = statement_timeout
        self.pool_timeout = pool_timeout
        self._prepare = prepare
        self._failure_log = failure_log
        self._slots: Slots[Connection] = Slots(size, self._connect, max_wait=pool_timeout)
        self._watch: asyncio.TimerHandle | None = None

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own and return its rows."""
        loop = asyncio.get_running_loop()
        budget = request_context.get().budget
        started = loop.time()
        deadline = started + budget.seconds_left
        connection = self._slots.take() or await self._wait_for_slot(deadline)
        now = loop.time()
        connection.deadline = min(now + self._statement_timeout, deadline)
        if self._observer is not None:
            self._observer.waited(now - started)
        try:
            rows = await connection.fetch(statement, parameters, now)
        except BaseException as error:
            self._release(connection, error)
            self._raise_translated(error, statement)
            raise
        finally:
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
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Several statements on one connection that happen together or not at all."""
        loop = asyncio.get_running_loop()
        budget = request_context.get().budget
        started = loop.time()
        deadline = started + budget.seconds_left
        try:
            async with self.connection(deadline) as raw:
                timer = loop.call_at(min(loop.time() + 3 * self._statement_timeout, deadline), raw.terminate)
                try:
                    async with raw.transaction(isolation="read_committed"):
                        yield self.transaction_kind(raw, self._failure_log)
                finally:
                    timer.cancel()
        finally:
            budget.seconds_left -= loop.time() - started

    @asynccontextmanager
    async def connection(self, deadline: float = math.inf) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A bare connection, for COPY; no time limit but the caller's once it is there."""
        started = asyncio.get_running_loop().time()
        connection = self._slots.take() or await self._wait_for_slot(deadline)
        if self._observer is not None:
            self._observer.waited(asyncio.get_running_loop().time() - started)
        try:
            yield connection.raw
        except BaseException as error:
            self._release(connection, error)
            self._raise_translated(error, is_logged=True)  # by a transaction, which knows its statement
            raise
        self._release(connection)

    async def close(self) -> None:
        """Close every idle connection; those in use close at their release."""
        for connection in self._slots.close():
            try:
                await asyncio.wait_for(connection.raw.close(), self._connect_timeout)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.cut()

    @property
    def in_use(self) -> int:
        """How many connections somebody uses."""
        return len(self._slots) - self._slots.idle

    @property
    def idle(self) -> int:
        """How many connections nobody uses."""
        return self._slots.idle

    async def _wait_for_slot(self, deadline: float) -> Connection:
        try:
            return await self._slots.acquire(deadline)
        except DatabaseUnavailable as error:
            if error.__cause__ is None:  # else none could be made, which was counted there
                self._count("pool")
            raise

    async def _connect(self, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(loop.time() + self._connect_timeout, deadline)):
                raw, host = await self._hosts.connect()
        except asyncpg.TooManyConnectionsError as error:
            self._count("connect")
            raise NoMoreToBeHad(str(failure_of(error, connecting=True))) from error
        except BaseException as error:
            self._raise_translated(error, connecting=True)
            raise
        if self._failure_log is not None:
            self._failure_log.succeeded(None)
        if self._watch is None:
            self._watch = loop.call_later(_WATCH_SECONDS, self._cut_overdue)
        return Connection(raw, host, may_prepare=self._prepare)

    def _cut_overdue(self) -> None:
        """Cut the connections whose statement is past its time limit, and look again soon."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in self._slots:
            if connection.deadline < now:
                connection.cut()
        self._watch = loop.call_later(_WATCH_SECONDS, self._cut_overdue) if self._slots else None

    def _release(self, connection: Connection, error: BaseException | None = None) -> None:
        connection.deadline = math.inf
        is_usable = error is None or leaves_usable(error)
        if error is not None and not is_usable and is_unavailable(error):
            self._slots.expire()
        self._slots.release(connection, is_usable=is_usable)

    def _raise_translated(
        self,
        error: BaseException,
        statement: Statement | None = None,
        *,
        connecting: bool = False,
        is_logged: bool = False,
    ) -> None:
        try:
            raise_translated(error, connecting=connecting)
        except DatabaseMisconfigured as misconfigured:
            if self._failure_log is not None and not is_logged:
                self._failure_log.failed(statement, str(misconfigured))
            self._count("misconfigured")
            raise
        except DatabaseUnavailable:
            self._count("connect" if connecting else "statement")
            raise

    def _count(self, kind: DatabaseError) -> None:
        if self._observer is not None:
            self._observer.failed(kind)
