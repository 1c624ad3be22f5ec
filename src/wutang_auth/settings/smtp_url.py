"""The URL of the mail server: where it is, who logs in there, and how the connection is kept private."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_PORTS = {"smtps": 465, "smtp": 587}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server."""

    host: str
    port: int
    tls: Literal["from the start", "starttls", "none"]
    """`starttls`: the connection is not used without it (RFC 3207); `none`: on this machine only."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_smtp_url(url: str) -> SmtpServer | Path:
    """The mail server that a URL names; or the directory of a `file:` URL, into which `dev` writes mails.

    Raises:
        ValueError: it is none; the message says what is wrong, without the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # quotes the URL
        raise ValueError("must be a URL such as smtps://user:password@host") from None
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and not parts.query:
        return Path(unquote(parts.path))
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be a URL such as smtps://user:password@host, or smtp://… for STARTTLS")
    if (parts.username is None) != (parts.password is None):
        raise ValueError(
            "must have both a user and a password, or neither; in a URL `@` is %40, `:` is %3A, `/` is %2F"
        )
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        # SECURITY: a mail holds a link that is as good as a password; it leaves this machine encrypted or not at all
        tls="from the start" if parts.scheme == "smtps" else "none" if _is_loopback(parts.hostname) else "starttls",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def checked_smtp_url(url: SecretStr | None) -> SecretStr | None:
    """The URL, if it names a mail server or a directory.

    Raises:
        ValueError: it does not.
    """
    if url is not None:
        parse_smtp_url(url.get_secret_value())
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
