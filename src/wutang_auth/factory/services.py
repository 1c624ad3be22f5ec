"""How settings become services, for the application, the command line and the tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wutang_auth import __version__
from wutang_auth.database import REVISION, Database, FailureLog
from wutang_auth.factory.factors import factor_services, needs_factor
from wutang_auth.factory.mail import mail_sender, mail_services
from wutang_auth.observability import tracing
from wutang_auth.observability.observers import DatabaseObserver, Observers
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import (
    AttemptRepository,
    CredentialRepository,
    MailRepository,
    MailTokenRepository,
    RevocationRepository,
    SchemaRepository,
    SessionRepository,
    UserRepository,
)
from wutang_auth.response_codes import Language
from wutang_auth.service import AuthService, LoginService, UserService
from wutang_auth.service.freshness import FreshnessService
from wutang_auth.service.introspection import IntrospectionService
from wutang_auth.service.maintenance import Intervals, Prune, in_background
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.service.revocations import RevocationService
from wutang_auth.service.session_start import SessionStart
from wutang_auth.service.throttle import Throttle
from wutang_auth.service.verify import VerifyService
from wutang_auth.settings import DatabaseSettings, Settings
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing

if TYPE_CHECKING:
    from wutang_auth.observability.metrics import Metrics  # not imported where metrics are off
    from wutang_auth.service.by_mail import MailServices
    from wutang_auth.service.factors import FactorServices
    from wutang_auth.service.legacy import LegacySessions

THROTTLE_CONNECTIONS = 4
"""Connections of each worker on which attempts are counted, at most."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a running application works with."""

    login: LoginService
    auth: AuthService
    users: UserService
    verify: VerifyService
    revocations: RevocationService
    introspection: IntrospectionService
    tokens: Tokens
    passwords: Passwords
    schema: SchemaRepository
    mail: "MailServices | None" = None
    factors: "FactorServices | None" = None
    freshness: FreshnessService | None = None
    """There with mail, or with second factors."""
    metrics: "Metrics | None" = None


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
    metrics = None if settings.metrics_port is None else _metrics()
    observers = Observers() if metrics is None else metrics.observers()
    database = open_database(settings, size=settings.db_pool_size, failure_log=failure_log, observer=observers.database)
    # a few connections of its own: a storm of logins finds no others to hold, and its counters need not wait for disks
    counters = open_database(
        settings, size=THROTTLE_CONNECTIONS, failure_log=failure_log, observer=observers.counters,
        synchronous_commit="off",
    )  # fmt: skip
    throttle = Throttle(
        AttemptRepository(counters),
        account_allowed_failures=settings.throttle_account_failures,
        address_allowed_failures=settings.throttle_address_failures,
        max_wait=settings.throttle_max_wait,
        reset_after=settings.throttle_reset_after,
        observer=observers.throttled,
    )
    passwords = _passwords(settings, hash_thread_initializer, observers)
    rules = PasswordRules(min_length=settings.password_min_length)
    users, credentials = UserRepository(database), CredentialRepository(database)
    has_factors = settings.mfa != "off"
    sessions = SessionRepository(database, grouped_reads=settings.db_grouped_reads, with_factors=has_factors)
    prunes: list[Prune] = [sessions.prune, throttle.prune, MailTokenRepository(database).prune]
    legacy = None
    if settings.legacy_secret is None:
        tokens = Tokens(settings, ring)
    else:
        tokens, legacy = _open_legacy(settings, ring, database, sessions, prunes)
    starts = SessionStart(
        tokens,
        session_ttl=settings.refresh_ttl,
        sessions_per_user=settings.sessions_per_user,
        tells_proof=has_factors,
    )
    factors = freshness = mail = sender = None
    if has_factors:
        factors, freshness = factor_services(
            settings, ring, database, counters, credentials=credentials, sessions=sessions, passwords=passwords,
            throttle=throttle, starts=starts, prunes=prunes, observers=observers,
        )  # fmt: skip
    if settings.smtp_url is not None:
        freshness = freshness or FreshnessService(
            credentials=credentials, sessions=sessions, passwords=passwords, throttle=throttle,
            max_age=settings.fresh_seconds,
        )  # fmt: skip
        sender = mail_sender(settings, database, longest_wait=intervals.mail_server_retry)
        mail = mail_services(
            settings, database, counters, sender, users=users, passwords=passwords, rules=rules, freshness=freshness,
            observers=observers,
        )  # fmt: skip
    login = LoginService(
        credentials=credentials,
        sessions=sessions,
        passwords=passwords,
        rules=rules,
        throttle=throttle,
        starts=starts,
        tells_by_mail=mail is not None,
        refuse_unverified=mail.emails.refuse_unverified if mail and settings.login_needs_verified_email else None,
        second_factor=None if factors is None else factors.login,
    )
    auth = AuthService(
        sessions=sessions,
        tokens=tokens,
        refresh_grace=settings.refresh_grace,
        refresh_with_access_token=settings.refresh_with_access_token,
        legacy=legacy,
        needs_factor=needs_factor(settings),
    )
    revocations = RevocationRepository(database)
    prunes.append(revocations.prune)
    # a transaction has three times as long as a statement; what is given up ends a second later
    view = RevocationView(revocations, write_seconds=3 * settings.db_statement_timeout + 2)
    services = Services(
        login=login,
        auth=auth,
        verify=VerifyService(auth, sessions, tokens, view, staleness=settings.verify_staleness, freshness=freshness),
        revocations=RevocationService(view, tokens),
        introspection=IntrospectionService(auth, tokens),
        users=UserService(
            users=users,
            sessions=sessions,
            passwords=passwords,
            rules=rules,
            mail_language=None if mail is None else settings.language,
            ensure_fresh=None if freshness is None else freshness.ensure,
        ),
        tokens=tokens,
        passwords=passwords,
        schema=SchemaRepository(database, failure_log),
        mail=mail,
        factors=factors,
        freshness=freshness,
        metrics=metrics,
    )
    try:
        async with (
            in_background(
                keys_file=settings.keys_file,
                use_ring=[tokens.use] if factors is None else [tokens.use, factors.keys.use],
                prunes=prunes,
                login=login,
                send_mails=None if sender is None else sender.run,
                key_ring_refused=observers.key_ring_refused,
                intervals=intervals,
            ),
            _monitored(settings, services, database, counters),
        ):
            yield services
    finally:
        await view.close()
        passwords.close()
        await counters.close()
        await database.close()


def _metrics() -> "Metrics":
    from wutang_auth.observability.metrics import Metrics

    return Metrics(version=__version__, revision=REVISION)


def _monitored(
    settings: Settings, services: Services, database: Database, counters: Database
) -> AbstractAsyncContextManager[None]:
    if services.metrics is None or settings.metrics_port is None:
        return nullcontext()
    from wutang_auth.service.monitoring import monitored

    return monitored(
        services.metrics,
        host=settings.metrics_host,
        port=settings.metrics_port,
        databases={"requests": database, "counters": counters},
        passwords=services.passwords,
        tokens=services.tokens,
        mails=None if services.mail is None else MailRepository(database),
    )


def _passwords(settings: Settings, initializer: Callable[[], None] | None, observers: Observers) -> Passwords:
    kind: type[Passwords] = Passwords
    if tracing.is_configured():
        from wutang_auth.passwords.traced import TracedPasswords

        kind = TracedPasswords
    return kind(
        workers=settings.hash_workers, queue=settings.hash_queue, initializer=initializer, observer=observers.hashes
    )


def _open_legacy(
    settings: Settings, ring: KeyRing, database: Database, sessions: SessionRepository, prunes: list[Prune]
) -> tuple[Tokens, "LegacySessions"]:
    """What takes over live sessions; imported where it is on only."""
    from wutang_auth.repository.legacy import LegacyRepository
    from wutang_auth.service.legacy import LegacySessions
    from wutang_auth.tokens.legacy import LegacyGate, LegacyKey

    tokens = Tokens(settings, ring, legacy_key=LegacyKey(settings))
    gate = LegacyGate(settings, clock_skew=settings.clock_skew, hints=tokens.hints)
    gate.is_shut()  # which a line in the log says now, if it is
    legacy = LegacyRepository(database)
    prunes.append(legacy.prune)
    return tokens, LegacySessions(
        gate=gate,
        legacy=legacy,
        sessions=sessions,
        tokens=tokens,
        refresh_grace=settings.refresh_grace,
        sessions_per_user=settings.sessions_per_user,
        tells_proof=settings.mfa != "off",
    )


@asynccontextmanager
async def open_users(
    database: Database, *, password_min_length: int, mail_language: Language | None = None
) -> AsyncIterator[UserService]:
    """The service of accounts alone, for commands; closed at the end of the block.

    `mail_language` is that of invitations and notices; None: mail is off.
    """
    passwords = Passwords(workers=1, queue=1)
    try:
        yield UserService(
            users=UserRepository(database),
            sessions=SessionRepository(database),
            passwords=passwords,
            rules=PasswordRules(min_length=password_min_length),
            mail_language=mail_language,
        )
    finally:
        passwords.close()


def open_database(
    settings: DatabaseSettings,
    *,
    size: int,
    failure_log: FailureLog | None = None,
    observer: DatabaseObserver | None = None,
    **server_settings: str,
) -> Database:
    """At most `size` connections with the time limits of the settings; the first is made when it is needed."""
    kind: type[Database] = Database
    if tracing.is_configured():
        from wutang_auth.database.traced import TracedDatabase

        kind = TracedDatabase
    return kind(
        settings.database_url.get_secret_value(),
        size=size,
        connect_timeout=settings.db_connect_timeout,
        statement_timeout=settings.db_statement_timeout,
        pool_timeout=settings.db_pool_timeout,
        prepare=settings.db_prepared_statements,
        server_settings=server_settings,
        failure_log=failure_log,
        observer=observer,
    )
