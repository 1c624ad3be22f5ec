"""What people do by mail: register, choose a new password, verify and change an address. Not imported without mail.

What a request does not look up, it cannot tell: it writes one row, whoever it is. The sender looks up later.
"""

from dataclasses import dataclass

from wutang_auth.service.by_mail.administration import MailAdministration
from wutang_auth.service.by_mail.email_address import EmailService
from wutang_auth.service.by_mail.links import LinkService
from wutang_auth.service.by_mail.password_reset import PasswordResetService
from wutang_auth.service.by_mail.registration import RegistrationService
from wutang_auth.service.by_mail.requests import MailRequests
from wutang_auth.service.by_mail.sender import LinkLifetimes, Sender

__all__ = [
    "EmailService",
    "LinkLifetimes",
    "LinkService",
    "MailAdministration",
    "MailRequests",
    "MailServices",
    "PasswordResetService",
    "RegistrationService",
    "Sender",
]


@dataclass(frozen=True, slots=True)
class MailServices:
    """What a running application with mail works with besides."""

    registration: RegistrationService
    resets: PasswordResetService
    administration: MailAdministration
    emails: EmailService
    links: LinkService
