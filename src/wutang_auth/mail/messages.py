"""Mails: from a kind and a link to a message that a mail server takes."""

from collections.abc import Mapping
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from html import escape
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from wutang_auth.fields import MailKind, Purpose, canonical_email
from wutang_auth.mail.texts import Texts
from wutang_auth.response_codes import Language


class Transport(Protocol):
    """Where mails go."""

    async def open(self) -> None:
        """Open what the next mail needs, or raise ServerAway."""

    async def send(self, message: EmailMessage) -> None:
        """Hand over a mail, or raise a DeliveryError; it has one sender and one recipient."""

    async def close(self) -> None:
        """Let go of what is open; the next mail opens it again."""


class Messages:
    """Writes mails."""

    def __init__(
        self, texts: Texts, *, sender: tuple[str, str], public_url: str, links: Mapping[Purpose, str] = {}
    ) -> None:
        """`sender` is a name and an address; `links` are pages of the shop's own, with `{token}` in each."""
        name, address = sender
        self._texts = texts
        self._sender = _address(address, name)
        self._public_url = public_url
        self._links = links

    def compose(
        self,
        kind: MailKind,
        language: Language,
        *,
        to: str,
        mail_id: UUID,
        other_email: str | None = None,
        link: tuple[Purpose, str, timedelta] | None = None,
    ) -> EmailMessage:
        """The mail; `link` is its purpose, its token and how long it counts.

        The id makes the Message-ID, so that a mail that was sent twice is known as one.
        """
        values = {
            "email": to,
            "other_email": other_email or "",
            # SECURITY: from the settings; a Host header is its sender's word
            "site": urlsplit(self._public_url).hostname or "",
            "home": f"{self._public_url}/account",
        }
        if link is not None:
            purpose, token, lifetime = link
            values |= {"link": self._link(purpose, token), "valid": _in_words(lifetime, language)}
        subject, text = self._texts.text(kind, language).substitute(values).split("\n", 1)
        html = self._texts.html(kind, language).substitute({name: escape(value) for name, value in values.items()})
        message = EmailMessage(SMTP)
        message["From"] = self._sender
        message["To"] = _address(to)
        message["Subject"] = subject.strip()
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{mail_id}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office note comes back
        message.set_content(text.lstrip("\n"))
        message.add_alternative(html, subtype="html")
        message["Content-Language"] = language  # earlier it would become the plain text's alone
        return message

    def compose_test(self, to: str) -> EmailMessage:
        """A mail that says no more than that it arrived."""
        message = EmailMessage(SMTP)
        message["From"] = self._sender
        message["To"] = _address(to)
        message["Subject"] = "wutang-auth"
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{uuid4()}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"Mail from {self._public_url} arrives. 邮件已送达。\n")
        return message

    def _link(self, purpose: Purpose, token: str) -> str:
        # SECURITY: behind the #, which browsers send to no server: no log, proxy, Referer or scanner sees it
        page = self._links.get(purpose) or f"{self._public_url}/account#{purpose}={{token}}"
        return page.replace("{token}", token)


def _address(address: str, name: str = "") -> Address:
    """The address with its domain in A-labels, which every mail server understands."""
    local, _, _ = address.rpartition("@")
    return Address(name, local, canonical_email(address).rpartition("@")[2])


def _in_words(lifetime: timedelta, language: Language) -> str:
    minutes = max(1, round(lifetime.total_seconds() / 60))
    if minutes < 120:
        number, unit = minutes, ("分钟", "minute")
    elif minutes <= 48 * 60:
        number, unit = round(minutes / 60), ("小时", "hour")
    else:
        number, unit = round(minutes / 1440), ("天", "day")
    if language == "zh":
        return f"{number} {unit[0]}"
    return f"{number} {unit[1]}{'' if number == 1 else 's'}"
