"""The only wiring: how settings become services, for the application, the command line and the tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wutang_auth import __version__
from wutang_auth.database import REVISION, Database, FailureLog
from wutang_auth.errors import MailIsOff
from wutang_auth.observability import tracing
from wutang_auth.observability.observers import DatabaseObserver, Observers
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import (
    AttemptRepository,
    MailRepository,
    MailTokenRepository,
    RevocationRepository,
    SchemaRepository,
    SessionRepository,
    UserRepository,
)
from wutang_auth.response_codes import Language
from wutang_auth.service import AuthService, UserService
from wutang_auth.service.introspection import IntrospectionService
from wutang_auth.service.maintenance import Intervals, Prune, in_background
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.service.revocations import RevocationService
from wutang_auth.service.throttle import Throttle
from wutang_auth.service.verify import VerifyService
from wutang_auth.settings import (
    PREFIX,
    DatabaseSettings,
    MailSettings,
    Settings,
    SettingsError,
    parse_smtp_url,
    split_sender,
)
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing

if TYPE_CHECKING:
    from wutang_auth.mail.messages import Messages, Transport  # not imported where mail is off
    from wutang_auth.mail.texts import Texts
    from wutang_auth.observability.metrics import Metrics
    from wutang_auth.service.by_mail import MailAdministration, MailServices, Sender
    from wutang_auth.service.legacy import LegacySessions

THROTTLE_CONNECTIONS = 4
_MAIL_RECIPIENT_FREE = 3
_MAIL_ADDRESS_FREE = 20
_MAIL_FIRST_WAIT = 60
_MAIL_LONGEST_WAIT = 3600
_MAIL_RESET_AFTER = 86_400
_MAIL_NEVER_LESS = 2**31 - 1  # mails after which one a day would be left; there is no such limit


@dataclass(frozen=True, slots=True)
class Services:
    """What a running application works with."""

    auth: AuthService
    users: UserService
    verify: VerifyService
    revocations: RevocationService
    introspection: IntrospectionService
    tokens: Tokens
    passwords: Passwords
    schema: SchemaRepository
    mail: "MailServices | None" = None
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
    users = UserRepository(database)
    sessions = SessionRepository(database, grouped_reads=settings.db_grouped_reads)
    mail = sender = None
    if settings.smtp_url is not None:
        sender = mail_sender(settings, database, longest_wait=intervals.mail_server_retry)
        mail = _mail_services(
            settings, database, counters, sender, users=users, sessions=sessions, passwords=passwords, rules=rules,
            throttle=throttle, observers=observers,
        )  # fmt: skip
    prunes: list[Prune] = [sessions.prune, throttle.prune, MailTokenRepository(database).prune]
    legacy = None
    if settings.legacy_secret is None:
        tokens = Tokens(settings, ring)
    else:
        tokens, legacy = _open_legacy(settings, ring, database, sessions, prunes)
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
        tells_by_mail=mail is not None,
        refuse_unverified=mail.emails.refuse_unverified if mail and settings.login_needs_verified_email else None,
        legacy=legacy,
    )
    revocations = RevocationRepository(database)
    prunes.append(revocations.prune)
    # a transaction has three times as long as a statement; what is given up ends a second later
    view = RevocationView(revocations, write_seconds=3 * settings.db_statement_timeout + 2)
    services = Services(
        auth=auth,
        verify=VerifyService(auth, tokens, view, staleness=settings.verify_staleness),
        revocations=RevocationService(view, tokens),
        introspection=IntrospectionService(auth, tokens),
        users=UserService(
            users=users,
            sessions=sessions,
            passwords=passwords,
            rules=rules,
            mail_language=None if mail is None else settings.language,
            ensure_fresh=None if mail is None else mail.freshness.ensure,
        ),
        tokens=tokens,
        passwords=passwords,
        schema=SchemaRepository(database, failure_log),
        mail=mail,
        metrics=metrics,
    )
    try:
        async with (
            in_background(
                keys_file=settings.keys_file,
                use_ring=tokens.use,
                prunes=prunes,
                auth=auth,
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

    gate = LegacyGate(settings, clock_skew=settings.clock_skew)
    gate.is_shut()  # which a line in the log says now, if it is
    tokens = Tokens(settings, ring, legacy_key=LegacyKey(settings))
    legacy = LegacyRepository(database)
    prunes.append(legacy.prune)
    return tokens, LegacySessions(
        gate=gate,
        legacy=legacy,
        sessions=sessions,
        tokens=tokens,
        refresh_grace=settings.refresh_grace,
        sessions_per_user=settings.sessions_per_user,
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


def mail_texts(settings: MailSettings) -> "Texts":
    """The texts of mails, checked.

    Raises:
        SettingsError: one of the shop's own cannot be used; the message names file and line.
    """
    from wutang_auth.mail.texts import Texts, TextsError

    try:
        return Texts(Path(settings.mail_templates) if settings.mail_templates else None)
    except TextsError as error:
        raise SettingsError(f"{PREFIX}MAIL_TEMPLATES: {error}") from None


def mail_administration(settings: MailSettings, database: Database) -> "MailAdministration":
    """What operators have mailed.

    Raises:
        MailIsOff: there is no mail server.
    """
    if settings.smtp_url is None:
        raise MailIsOff
    from wutang_auth.service.by_mail import MailAdministration

    return MailAdministration(
        users=UserRepository(database), mails=MailRepository(database), language=settings.language
    )


def check_texts(settings: MailSettings) -> None:
    """Read the texts of mails, where mail is on.

    Raises:
        SettingsError: one of the shop's own cannot be used; the message names file and line.
    """
    if settings.smtp_url is not None:
        mail_texts(settings)


def mail_transport(settings: MailSettings) -> "Transport":
    """The way to the mail server of the settings, which must name one."""
    assert settings.smtp_url is not None  # noqa: S101 -- the caller has looked
    server = parse_smtp_url(settings.smtp_url.get_secret_value())
    if isinstance(server, Path):
        from wutang_auth.mail.folder import FolderTransport

        return FolderTransport(server)
    from wutang_auth.mail.smtp import SmtpTransport

    return SmtpTransport(server, own_name=urlsplit(settings.public_url).hostname or "localhost")


def mail_messages(settings: MailSettings) -> "Messages":
    """What writes the mails.

    Raises:
        SettingsError: a text cannot be used.
    """
    from wutang_auth.mail.messages import Messages

    return Messages(
        mail_texts(settings),
        sender=split_sender(settings.mail_from),
        public_url=settings.public_url,
        links={
            "register": settings.link_register,
            "invite": settings.link_invite,
            "reset": settings.link_reset,
            "verify": settings.link_verify,
            "email_change": settings.link_email_change,
            "email_agree": settings.link_email_change,
            "email_undo": settings.link_email_undo,
        },
    )


def mail_sender(settings: MailSettings, database: Database, *, longest_wait: float) -> "Sender":
    """What sends the mails that wait in this database; for so many seconds it lets an absent mail server be, at most.

    Raises:
        SettingsError: a text cannot be used.
    """
    from wutang_auth.service.by_mail import LinkLifetimes, Sender

    return Sender(
        mails=MailRepository(database),
        tokens=MailTokenRepository(database),
        messages=mail_messages(settings),
        transport=mail_transport(settings),
        lifetimes=LinkLifetimes(settings.reset_ttl, settings.verify_ttl, settings.invite_ttl),
        per_minute=settings.mail_per_minute,
        longest_wait=longest_wait,
    )


def _mail_services(
    settings: Settings,
    database: Database,
    counters: Database,
    sender: "Sender",
    *,
    users: UserRepository,
    sessions: SessionRepository,
    passwords: Passwords,
    rules: PasswordRules,
    throttle: Throttle,
    observers: Observers,
) -> "MailServices":
    from wutang_auth.service import by_mail

    tokens = MailTokenRepository(database)
    requests = by_mail.MailRequests(
        mails=MailRepository(database),
        throttle=Throttle(
            AttemptRepository(counters),
            account_allowed_failures=_MAIL_RECIPIENT_FREE,
            address_allowed_failures=_MAIL_ADDRESS_FREE,
            max_wait=_MAIL_LONGEST_WAIT,
            reset_after=_MAIL_RESET_AFTER,
            max_failures=_MAIL_NEVER_LESS,
            first_wait=_MAIL_FIRST_WAIT,
            bucket="mail ",
            subject="recipient",
            observer=observers.throttled,
        ),
        nudge=sender.nudge,
    )
    freshness = by_mail.FreshnessService(
        users=users, sessions=sessions, passwords=passwords, throttle=throttle, max_age=settings.fresh_seconds
    )
    return by_mail.MailServices(
        registration=by_mail.RegistrationService(
            requests=requests,
            tokens=tokens,
            passwords=passwords,
            rules=rules,
            domains=settings.registration_domains if settings.registration == "domains" else None,
        ),
        resets=by_mail.PasswordResetService(
            requests=requests, tokens=tokens, users=users, passwords=passwords, rules=rules
        ),
        administration=by_mail.MailAdministration(
            users=users, mails=MailRepository(database), language=settings.language, nudge=sender.nudge
        ),
        emails=by_mail.EmailService(
            requests=requests, tokens=tokens, freshness=freshness, both_confirm=settings.email_change == "both"
        ),
        links=by_mail.LinkService(tokens),
        freshness=freshness,
    )


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
