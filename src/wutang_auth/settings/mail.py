"""What can be set of mail, and what it opens: registration, forgotten passwords, verified addresses."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from wutang_auth.fields import canonical_email, parse_email, parse_name
from wutang_auth.settings.loading import PREFIX, SettingsGroup
from wutang_auth.settings.smtp_url import checked_smtp_url
from wutang_auth.settings.values import ANY_CASE, COMMA_SEPARATED

_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>|(?P<bare>[^<>]+)")


def split_sender(text: str) -> tuple[str, str]:
    """Name and address of `Shop <no-reply@shop.example>`; the name may be missing.

    Raises:
        ValueError: there is no address in it.
    """
    parts = _SENDER.fullmatch(text.strip())
    if parts is None:
        raise ValueError("must be an address, or a name and an address: Shop <no-reply@shop.example>")
    try:
        return parse_name((parts["name"] or "").strip().strip('"')), parse_email(parts["address"] or parts["bare"])
    except ValueError:
        raise ValueError("must be an address, or a name and an address: Shop <no-reply@shop.example>") from None


def _sender(value: str) -> str:
    if value:
        split_sender(value)
    return value


def _public_url(value: str) -> str:
    if value and not _is_web_url(value):
        raise ValueError("must be the URL under which people reach this service, such as https://shop.example/auth")
    return value.rstrip("/")


def _link(value: str) -> str:
    # SECURITY: what stands behind the # is sent to no server, and so is in no log and no Referer
    before, _, fragment = value.partition("#")
    if value and not (_is_web_url(before) and "{token}" in fragment and "{token}" not in before):
        raise ValueError("must be a URL with {token} behind its #, such as https://shop.example/reset#{token}")
    return value


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and port != 0 and not re.search(r"[\s#?@]", value)


def _domains(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(canonical_email(parse_email(f"a@{domain}")).partition("@")[2] for domain in value)
    except ValueError:
        raise ValueError("must be domains such as shop.example, comma-separated") from None


Link = Annotated[str, AfterValidator(_link)]
_LINK = "your page {}, with `{{token}}` behind its `#`; empty: our own"


class MailSettings(SettingsGroup):
    """Which mail server there is, and what people may do by mail."""

    smtp_url: Annotated[SecretStr | None, AfterValidator(checked_smtp_url)] = Field(
        None,
        description="the mail server, `smtps://user:password@host`, or `smtp://…` for STARTTLS; without it mail is off",
    )
    mail_from: Annotated[str, AfterValidator(_sender)] = Field(
        "", description="who mails are from, such as `Shop <no-reply@shop.example>`; needed with a mail server"
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        "",
        description="where people reach this service, such as `https://shop.example/auth`; needed with a mail server",
    )
    registration: Annotated[Literal["off", "domains", "open"], ANY_CASE] = Field(
        "off", description="who may register: nobody, addresses of certain domains, or everybody"
    )
    registration_domains: Annotated[tuple[str, ...], NoDecode, COMMA_SEPARATED, AfterValidator(_domains)] = Field(
        (), description="these domains, comma-separated, for `domains`"
    )
    login_needs_verified_email: bool = Field(
        default=False, description="refuse logins (403) until the address is verified; the refusal mails a link"
    )
    email_change: Annotated[Literal["new", "both"], ANY_CASE] = Field(
        "new", description="which address must confirm a change of address; `both`: first the old one, then the new"
    )
    reset_ttl: int = Field(3600, ge=60, le=86_400, description="lifetime of a link to a new password")
    verify_ttl: int = Field(86_400, ge=60, le=86_400, description="lifetime of a link that verifies an address")
    invite_ttl: int = Field(86_400, ge=60, le=604_800, description="lifetime of an invitation")
    link_register: Link = Field("", description=_LINK.format("for registrations"))
    link_invite: Link = Field("", description=_LINK.format("for invitations"))
    link_reset: Link = Field("", description=_LINK.format("for new passwords"))
    link_verify: Link = Field("", description=_LINK.format("that verifies an address"))
    link_email_change: Link = Field("", description=_LINK.format("that confirms a change of address"))
    link_email_undo: Link = Field("", description=_LINK.format("that undoes one"))
    language: Annotated[Literal["zh", "en"], ANY_CASE] = Field(
        "zh", description="the language of mails that no request of the recipient's asked for"
    )
    mail_templates: str = Field("", description="a directory with texts of yours instead of the built-in ones")
    mail_per_minute: int = Field(60, ge=1, le=60_000, description="mails that a worker sends in a minute, at most")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        needing = {
            "MAIL_FROM": self.mail_from == "",
            "PUBLIC_URL": self.public_url == "",
        }
        if self.smtp_url is not None:
            for name, is_missing in needing.items():
                if is_missing:
                    raise ValueError(f"{PREFIX}{name} is not set, but {PREFIX}SMTP_URL is, which needs it")
        elif self.registration != "off" or self.login_needs_verified_email:
            name = "REGISTRATION" if self.registration != "off" else "LOGIN_NEEDS_VERIFIED_EMAIL"
            raise ValueError(f"{PREFIX}{name} needs mail: set {PREFIX}SMTP_URL too")
        if self.registration == "domains" and not self.registration_domains:
            raise ValueError(f"{PREFIX}REGISTRATION_DOMAINS is not set: the domains whose addresses may register")
        return self
