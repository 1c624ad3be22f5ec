"""The fields of users and sessions: what is accepted as one, and in which form it is kept.

All `parse_…` functions raise ValueError, without the value, for what is no such field.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

# -- E-mail addresses -------------------------------------------------------------------------------------------------

EMAIL_MAX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
_EMAIL_MAX_SENT = 3 * EMAIL_MAX_LENGTH  # decomposed and with space around it


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
    # SECURITY: control characters, separators and lone surrogates would forge log lines or break the database's text
    if any(unicodedata.category(character)[0] in "CZ" for character in email):
        raise ValueError("not an e-mail address")
    # one character may stand for eighteen, and an index holds only so much
    if len(canonical_email(email)) > EMAIL_MAX_LENGTH:
        raise ValueError("not an e-mail address")
    return email


def canonical_email(email: str) -> str:
    """The form in which two spellings of one address are equal: NFKC and case-folded (Unicode 15, D145 and D146)."""
    folded = unicodedata.normalize("NFKC", email).casefold()
    return unicodedata.normalize("NFKC", folded)


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
    if len(text) > _NAME_MAX_SENT or any(unicodedata.category(character) in _UNFIT_CATEGORIES for character in text):
        raise ValueError("not a name")
    name = unicodedata.normalize("NFC", text).strip()
    if len(name) > NAME_MAX_LENGTH:
        raise ValueError("not a name")
    return name


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

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse_timestamp(text: str, *, utc_by_default: bool = False) -> datetime:
    """A timestamp in RFC 3339; without an offset, as MySQL writes it, only where that is to mean UTC.

    Raises:
        ValueError: no such timestamp.
    """
    parts = _RFC3339.fullmatch(text)
    if parts is None or (parts[3] is None and not utc_by_default):
        raise ValueError("not a timestamp")
    day, time, offset = parts.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}{(offset or 'Z').upper()}").astimezone(UTC)
    except OverflowError:
        raise ValueError("not a timestamp") from None


def format_timestamp(value: datetime) -> str:
    """A timestamp as UTC ending in Z (RFC 3339 section 5.6)."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
