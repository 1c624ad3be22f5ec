"""The only wiring: how settings become services, for the application, the command line and the tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wutang_auth.database import Database, FailureLog
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import AttemptRepository, SchemaRepository, SessionRepository, UserRepository
from wutang_auth.service import AuthService, UserService
from wutang_auth.service.maintenance import Intervals, in_background
from wutang_auth.service.throttle import Throttle
from wutang_auth.service.verify import VerifyService
from wutang_auth.settings import DatabaseSettings, Settings
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing

_THROTTLE_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Services:
    """What a running application works with."""

    auth: AuthService
    users: UserService
    verify: VerifyService
    tokens: Tokens
    passwords: Passwords
    schema: SchemaRepository


@asynccontextmanager
async def open_services(
    settings: Settings,
    ring: KeyRing,
    *,
    intervals: Intervals = Intervals(),
    hash_thread_initializer: Callable[[], None] | None = None,
) -> AsyncIterator[Services]:
    """Services on the database of the settings, with their background tasks; closed at the end of the block."""
    failure_log = FailureLog()
    database = open_database(settings, size=settings.db_pool_size, failure_log=failure_log)
    # a few connections of its own: a storm of logins finds no others to hold, and its counters need not wait for disks
    counters = open_database(settings, size=_THROTTLE_CONNECTIONS, failure_log=failure_log, synchronous_commit="off")
    throttle = Throttle(
        AttemptRepository(counters),
        account_allowed_failures=settings.throttle_account_failures,
        address_allowed_failures=settings.throttle_address_failures,
        max_wait=settings.throttle_max_wait,
        reset_after=settings.throttle_reset_after,
    )
    passwords = Passwords(workers=settings.hash_workers, queue=settings.hash_queue, initializer=hash_thread_initializer)
    rules = PasswordRules(min_length=settings.password_min_length)
    tokens = Tokens(settings, ring)
    users = UserRepository(database)
    sessions = SessionRepository(database, grouped_reads=settings.db_grouped_reads)
    auth = AuthService(
        users=users,
        sessions=sessions,
        tokens=tokens,
        passwords=passwords,
        rules=rules,
        throttle=throttle,
        session_ttl=settings.refresh_ttl,
        refresh_grace=settings.refresh_grace,
        sessions_per_user=settings.sessions_per_user,
        refresh_with_access_token=settings.refresh_with_access_token,
    )
    services = Services(
        auth=auth,
        verify=VerifyService(auth),
        users=UserService(users=users, sessions=sessions, passwords=passwords, rules=rules),
        tokens=tokens,
        passwords=passwords,
        schema=SchemaRepository(database, failure_log),
    )
    try:
        async with in_background(
            keys_file=settings.keys_file,
            use_ring=tokens.use,
            prunes=(sessions.prune, throttle.prune),
            auth=auth,
            intervals=intervals,
        ):
            yield services
    finally:
        passwords.close()
        await counters.close()
        await database.close()


@asynccontextmanager
async def open_users(database: Database, *, password_min_length: int) -> AsyncIterator[UserService]:
    """The service of accounts alone, for commands; closed at the end of the block."""
    passwords = Passwords(workers=1, queue=1)
    try:
        yield UserService(
            users=UserRepository(database),
            sessions=SessionRepository(database),
            passwords=passwords,
            rules=PasswordRules(min_length=password_min_length),
        )
    finally:
        passwords.close()


def open_database(
    settings: DatabaseSettings, *, size: int, failure_log: FailureLog | None = None, **server_settings: str
) -> Database:
    """At most `size` connections with the time limits of the settings; the first is made when it is needed."""
    return Database(
        settings.database_url.get_secret_value(),
        size=size,
        connect_timeout=settings.db_connect_timeout,
        statement_timeout=settings.db_statement_timeout,
        pool_timeout=settings.db_pool_timeout,
        prepare=settings.db_prepared_statements,
        server_settings=server_settings,
        failure_log=failure_log,
    )
