"""The fields of users and sessions: what is accepted as one, and in which form it is kept.

All `parse_…` functions raise ValueError, without the value, for what is no such field.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Literal
from uuid import UUID

from wutang_auth.records import record

# -- E-mail addresses -------------------------------------------------------------------------------------------------

EMAIL_MAX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
_EMAIL_MAX_SENT = 3 * EMAIL_MAX_LENGTH  # decomposed and with space around it
_NOT_IN_LOCAL_PART = re.compile(r'[()<>\[\]:;,\\"]')  # RFC 5322 section 3.2.3; quoted, nobody has them
_LABEL_MAX_LENGTH = 63
_MAX_LABELS = 32  # of a domain that is not ASCII; more A-labels do not fit into a name
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")  # RFC 5890 section 2.3.1
# they join or part letters of Persian and Indian scripts, and count in a domain where RFC 5892 appendix A has them
_JOINERS = str.maketrans("", "", "\u200c\u200d")
_VISIBLE_ASCII = re.compile("[!-~]*")


def parse_email(text: str) -> str:
    """The address, trimmed and in NFC.

    Raises:
        ValueError: no such address can exist.
    """
    # SECURITY: normalizing takes time that grows with the square: 0.3 s for what a body can hold
    if len(text) > _EMAIL_MAX_SENT:
        raise ValueError("not an e-mail address")
    email = unicodedata.normalize("NFC", text.strip())
    local, at, domain = email.rpartition("@")
    if not (at and 0 < len(local) <= 64 and len(domain) > 0 and len(email) <= EMAIL_MAX_LENGTH) or "@" in local:
        raise ValueError("not an e-mail address")
    if _NOT_IN_LOCAL_PART.search(local):
        raise ValueError("not an e-mail address")
    canonical = f"{_folded(local)}@{_ascii_domain(domain)}"
    # SECURITY: control characters, separators and lone surrogates would forge log lines or break the database's text
    if not _VISIBLE_ASCII.fullmatch(email) and any(
        unicodedata.category(character)[0] in "CZ" for character in local + domain.translate(_JOINERS)
    ):
        raise ValueError("not an e-mail address")
    # one character may stand for eighteen, and an index holds only so much
    if len(canonical) > EMAIL_MAX_LENGTH:
        raise ValueError("not an e-mail address")
    return email


def canonical_email(email: str) -> str:
    """The form in which two spellings of one address are equal, of whatever `parse_email` takes.

    What is before the `@` in NFKC and case-folded (Unicode 15, D145 and D146); the domain as DNS has it, in A-labels
    and lower case (RFC 5890, UTS 46).
    """
    if email.isascii():
        return email.lower()
    local, at, domain = email.rpartition("@")
    try:
        domain = _ascii_domain(domain)
    except ValueError:  # of a user from a time when more was taken for a domain
        domain = _folded(domain)
    return f"{_folded(local)}{at}{domain}"


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)


def _ascii_domain(domain: str) -> str:
    """The domain with each U-label as the A-label that DNS and browsers have for it, in lower case.

    ASCII stays as it is: no two names of DNS become one.

    Raises:
        ValueError: it is not labels of letters, digits and hyphens, or one of them is empty or too long.
    """
    name = domain.lower() if domain.isascii() else _in_a_labels(domain)
    if not _DOMAIN.fullmatch(name):
        raise ValueError("not an e-mail address")
    return name


def _in_a_labels(domain: str) -> str:
    """The domain in ASCII; empty if it has no such form."""
    import idna  # late: 2 MB, and few services ever meet such a domain

    try:
        labels = idna.uts46_remap(domain).split(".")
        # SECURITY: a label takes up to 0.1 ms, a long one more with the square; such a domain has no A-labels anyway
        if len(labels) > _MAX_LABELS or len(max(labels, key=len)) > _LABEL_MAX_LENGTH:
            return ""
        return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    except ValueError:  # idna's own, which quotes the domain
        return ""


# -- Names of users ---------------------------------------------------------------------------------------------------

NAME_MAX_LENGTH = 255
NAME_PATTERN = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
"""What `parse_name` accepts, for documents; surrogates cannot be in one."""
_NAME_MAX_SENT = 3 * NAME_MAX_LENGTH  # decomposed and with space around it
_UNFIT_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")


def parse_name(text: str) -> str:
    """The name, trimmed and in NFC; it may be empty.

    Raises:
        ValueError: too long, or not text of one line.
    """
    # SECURITY: normalizing takes time that grows with the square: 0.3 s for what a body can hold
    # SECURITY: control characters would drive terminals, forge lines or, as NUL and lone surrogates, break the database
    is_plain = text.isascii() and text.isprintable()
    if len(text) > _NAME_MAX_SENT or (
        not is_plain and any(unicodedata.category(character) in _UNFIT_CATEGORIES for character in text)
    ):
        raise ValueError("not a name")
    name = unicodedata.normalize("NFC", text).strip()
    if len(name) > NAME_MAX_LENGTH:
        raise ValueError("not a name")
    return name


# -- Passwords and mails ----------------------------------------------------------------------------------------------

NO_PASSWORD = "!"  # noqa: S105 -- it stands for none
"""Instead of the hash of a user who has no password yet, or no longer: nothing matches it."""

MailKind = Literal[
    "register", "already_registered", "reset", "invite", "verify", "email_change", "email_agree",
    "email_changed_notice", "password_changed", "password_reset", "factor_added", "factor_removed", "factors_reset",
    "recovery_code_used",
]  # fmt: skip
"""What a mail is about."""
Purpose = Literal["register", "reset", "invite", "verify", "email_change", "email_agree", "email_undo"]
"""What the link of a mail is for, as it also stands in the link."""

# -- Codes of second factors, as people type them ---------------------------------------------------------------------

_CODE_MAX_SENT = 64
_SEPARATORS = re.compile(r"[\s\u2010\u2011\u2013-]")
_LOOK_ALIKES = str.maketrans("OIL", "011")  # Crockford's base32
_CODE = re.compile("[0-9]{6}")
_RECOVERY_CODE = re.compile("[0-9A-HJKMNP-TV-Z]{25}")


def parse_code(text: str) -> str:
    """The code of an app: its six digits, whatever separates them, also full-width ones.

    Raises:
        ValueError: not six digits.
    """
    code = _typed(text)
    if not _CODE.fullmatch(code):
        raise ValueError("not a code")
    return code


def parse_recovery_code(text: str) -> str:
    """A recovery code: its 25 characters in upper case without hyphens; O is 0, and I and L are 1.

    Raises:
        ValueError: it cannot be one.
    """
    code = _typed(text).upper().translate(_LOOK_ALIKES)
    if not _RECOVERY_CODE.fullmatch(code):
        raise ValueError("not a recovery code")
    return code


def _typed(text: str) -> str:
    """What was meant, in ASCII where there is such a form; nothing if it is far too long."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text[: _CODE_MAX_SENT + 1]))


# -- Scopes: what a user may do, such as `orders:read` (RFC 6749 section 3.3) -----------------------------------------

SCOPE_PATTERN = "[a-z][a-z0-9_.:-]*"
SCOPE_MAX_LENGTH = 64
MAX_SCOPES = 32
MAX_SCOPES_LENGTH = 1024
"""Characters of all of a user's scopes as a token has them, between spaces; a token must fit into a header."""

_SCOPE = re.compile(SCOPE_PATTERN)


def parse_scopes(texts: Iterable[str]) -> list[str]:
    """The scopes, sorted, each once.

    Raises:
        ValueError: one of them is no scope, or they are too many.
    """
    scopes = sorted(set(texts))
    if any(len(scope) > SCOPE_MAX_LENGTH or not _SCOPE.fullmatch(scope) for scope in scopes):
        raise ValueError("not a scope")
    if len(scopes) > MAX_SCOPES or len(" ".join(scopes)) > MAX_SCOPES_LENGTH:
        raise ValueError("too many scopes")
    return scopes


# -- Timestamps -------------------------------------------------------------------------------------------------------

EARLIEST = datetime.min.replace(tzinfo=UTC)
"""Earlier times, which other programs may have stored, are read as this one; as an input it is refused."""
LATEST = datetime.max.replace(tzinfo=UTC)
"""Later times, which other programs may have stored, are read as this one."""

_DAY_AND_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6}0{0,3})?)"
_RFC3339 = re.compile(_DAY_AND_TIME + "([Zz]|[+-][0-9]{2}:?[0-9]{2})")
# PostgreSQL's `+00`, and `+08:05:43` of local mean time; Ruby's ` UTC`
_DUMPED = re.compile(_DAY_AND_TIME + "(?: ?([Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?))?")


def parse_timestamp(text: str) -> datetime:
    """A timestamp in RFC 3339, which `format_timestamp` can give back.

    Raises:
        ValueError: no such timestamp: finer than microseconds, before year 1, after year 9999, or the very first one,
            by which .NET and Go mean none.
    """
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        raise ValueError("not a timestamp")
    return _timestamp(*parts.groups())


def parse_dumped_timestamp(text: str, zone: tzinfo = UTC) -> datetime:
    """A timestamp as databases write it; without an offset it is the time in `zone`, the first where there are two.

    Raises:
        ValueError: as `parse_timestamp`; or the zone's clocks were put forward past it.
    """
    parts = _DUMPED.fullmatch(text)
    if parts is None:
        raise ValueError("not a timestamp")
    day, time, offset = parts.groups()
    if offset is not None or zone is UTC:
        return _timestamp(day, time, "Z" if offset in (None, "UTC") else offset)
    local = datetime.fromisoformat(f"{day}T{time}")
    try:
        value = local.replace(tzinfo=zone).astimezone(UTC)
        if value.astimezone(zone).replace(tzinfo=None) != local:
            raise ValueError("not a timestamp")
    except OverflowError:
        raise ValueError("not a timestamp") from None
    return _ensured(value)


def _timestamp(day: str, time: str, offset: str) -> datetime:
    try:
        return _ensured(datetime.fromisoformat(f"{day}T{time}{offset.upper()}").astimezone(UTC))
    except OverflowError:
        raise ValueError("not a timestamp") from None


def _ensured(value: datetime) -> datetime:
    if value == EARLIEST:
        raise ValueError("not a timestamp")
    return value


def format_timestamp(value: datetime) -> str:
    """A timestamp as UTC with six digits of a second, ending in Z (RFC 3339 section 5.6)."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="microseconds")[:-6] + "Z"


# -- Ids --------------------------------------------------------------------------------------------------------------

MAX_USER_ID = 2**63 - 1  # PostgreSQL's bigint

_USER_ID = re.compile("[1-9][0-9]{0,18}")
_SESSION_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def parse_user_id(text: str) -> int:
    """A user's id from its one decimal spelling.

    Raises:
        ValueError: nothing that could be one.
    """
    if not _USER_ID.fullmatch(text) or int(text) > MAX_USER_ID:
        raise ValueError("not a user id")
    return int(text)


def parse_session_id(text: str) -> UUID:
    """A session's id from its one spelling, in lower case with hyphens (RFC 9562 section 4).

    Raises:
        ValueError: nothing that could be one.
    """
    if not _SESSION_ID.fullmatch(text):
        raise ValueError("not a session id")
    return UUID(text)


# -- Proof of who it is ------------------------------------------------------------------------------------------------

AMR = ("pwd", "otp", "mfa")
"""By what a session's user may have proved who it is: password, one-time code, several factors (RFC 8176 section 2)."""


@record
class Authentication:
    """How a session's user last proved who it is, and when."""

    authenticated_at: datetime | None
    """None: nobody knows."""
    age: float | None
    """Seconds since then."""
    amr: list[str]


def parse_amr(texts: Iterable[str]) -> list[str]:
    """The methods, each once.

    Raises:
        ValueError: one of them is nothing that a session can have.
    """
    methods = list(dict.fromkeys(texts))
    if not set(methods) <= set(AMR):
        raise ValueError("not a method")
    return methods
