"""The wiring of mail; what it is made of is imported where mail is on only."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wutang_auth.database import Database
from wutang_auth.errors import MailIsOff
from wutang_auth.observability.observers import Observers
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import (
    AttemptRepository,
    MailRepository,
    MailTokenRepository,
    UserRepository,
)
from wutang_auth.service.freshness import FreshnessService
from wutang_auth.service.throttle import Throttle
from wutang_auth.settings import PREFIX, MailSettings, Settings, SettingsError, parse_smtp_url, split_sender

if TYPE_CHECKING:
    from wutang_auth.mail.messages import Messages, Transport
    from wutang_auth.mail.texts import Texts
    from wutang_auth.service.by_mail import MailAdministration, MailServices, Sender

_RECIPIENT_FREE = 3
_ADDRESS_FREE = 20
_FIRST_WAIT = 60
_LONGEST_WAIT = 3600
_RESET_AFTER = 86_400
_NEVER_LESS = 2**31 - 1  # mails after which one a day would be left; there is no such limit


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


def mail_services(
    settings: Settings,
    database: Database,
    counters: Database,
    sender: "Sender",
    *,
    users: UserRepository,
    passwords: Passwords,
    rules: PasswordRules,
    freshness: FreshnessService,
    observers: Observers,
) -> "MailServices":
    """All that people may do by mail."""
    from wutang_auth.service import by_mail

    tokens = MailTokenRepository(database)
    requests = by_mail.MailRequests(
        mails=MailRepository(database),
        throttle=Throttle(
            AttemptRepository(counters),
            account_allowed_failures=_RECIPIENT_FREE,
            address_allowed_failures=_ADDRESS_FREE,
            max_wait=_LONGEST_WAIT,
            reset_after=_RESET_AFTER,
            max_failures=_NEVER_LESS,
            first_wait=_FIRST_WAIT,
            bucket="mail ",
            subject="recipient",
            observer=observers.throttled,
        ),
        nudge=sender.nudge,
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
    )
