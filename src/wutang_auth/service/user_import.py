"""Users of an earlier system, taken over row by row."""

import re
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from wutang_auth import audit
from wutang_auth.fields import (
    NAME_MAX_LENGTH,
    NO_PASSWORD,
    canonical_email,
    parse_dumped_timestamp,
    parse_email,
    parse_name,
    parse_scopes,
)
from wutang_auth.passwords import hashing as passwords
from wutang_auth.repository import ImportRepository, IncomingUser, RejectedRow

COLUMNS = (
    "id", "email", "name", "email_verified_at", "password_hash", "scopes", "disabled", "created_at", "updated_at",
)  # fmt: skip

_MAX_ID = (
    2**53 - 1
)  # beyond it, programs that read JSON numbers as floats would mistake users for each other (RFC 8259)
# as PostgreSQL, MySQL (a BIT too) and spreadsheets write them
_TRUTH = {
    **dict.fromkeys(("", "0", "false", "f", "no", "n", "off", "\x00"), False),
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on", "\x01"), True),
}
# of Spring Security, of Dovecot, of Django: around a hash as others have it
_WRAPPED_HASH = re.compile(
    r"(?:\{(?:bcrypt|argon2[\w@.-]*|blf-crypt|argon2id?|crypt)\}|bcrypt\$|argon2)(\$(?:2[abxy]|argon2)[^{}]*)",
    re.IGNORECASE,
)
_OTHER_HASHES = {
    "Django's bcrypt_sha256": re.compile(r"bcrypt_sha256\$"),
    "PBKDF2": re.compile(r"\{?\$?pbkdf2", re.IGNORECASE),
    "scrypt": re.compile(r"\{?\$?(?:scrypt|7\$)", re.IGNORECASE),
    "WordPress's bcrypt over SHA-384": re.compile(r"\$wp\$"),
    "phpass": re.compile(r"\$[PH]\$"),
    "MD5, SHA or crypt": re.compile(
        r"(?:md5|sha1|\{(?:MD5|SMD5|SHA\d*|SSHA\d*|sha\d*)[\w.-]*\}|\$[156]\$|(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$)",
        re.IGNORECASE,
    ),
    "Firebase's scrypt": re.compile(r"[A-Za-z0-9+/_-]{86}(?:==)?$"),
    "plain text": re.compile(r"\{noop\}", re.IGNORECASE),
    "an unusable password": re.compile("!"),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of a file."""

    rows: int
    created: int
    rejected: int

    @property
    def unchanged(self) -> int:
        """Rows whose user was there already."""
        return self.rows - self.created - self.rejected


class ImportService:
    """Takes over users, with their ids and password hashes."""

    def __init__(self, imports: ImportRepository) -> None:
        self._imports = imports

    async def import_users(
        self,
        rows: AsyncIterable[IncomingUser],
        *,
        read: Callable[[], None],
        reject: Callable[[RejectedRow], None],
    ) -> Imported:
        """Create a user for each good row whose e-mail nobody has; who is there stays as it is.

        `read` is called once all rows are read, `reject` for each row that is wrong, in the end and in order. Whatever
        is raised, nothing is changed.
        """
        async with self._imports.begin() as incoming:
            total = await incoming.add(rows)
            read()
            created = await incoming.merge()
            rejected = 0
            async for row in incoming.rejected():
                reject(row)
                rejected += 1
        audit.record("users_imported", detail=f"{created} created, {rejected} rejected")
        return Imported(total, created, rejected)


def incoming_user(line: int, raw: bytes, fields: Mapping[str, object], *, zone: tzinfo = UTC) -> IncomingUser:
    """A row, checked; the values are text, or what JSON has instead.

    Fields are the COLUMNS, and instead of `disabled` there may be `enabled`, which means the opposite, or
    `disabled_until`, a time. Times without an offset are those of `zone`.
    """
    user_id = None
    try:
        user_id = _id(fields.get("id"))
        email = _email(fields.get("email"))
        return IncomingUser(
            line,
            raw,
            id=user_id,
            email=email,
            canonical_email=canonical_email(email),
            name=_name(fields.get("name")),
            email_verified_at=_timestamp(fields, "email_verified_at", zone),
            password_hash=_password_hash(fields.get("password_hash")),
            scopes=_scopes(fields.get("scopes")),
            disabled=_is_disabled(fields, zone),
            created_at=_timestamp(fields, "created_at", zone),
            updated_at=_timestamp(fields, "updated_at", zone),
        )
    except _BadRow as error:
        return IncomingUser(line, raw, str(error), id=user_id)


def deleted_user(line: int, raw: bytes, fields: Mapping[str, object]) -> IncomingUser:
    """A row of a user who is deleted there; nothing else of it counts, since it may be blanked out."""
    try:
        return IncomingUser(line, raw, id=_id(fields.get("id")), disabled=True, deleted=True)
    except _BadRow as error:
        return IncomingUser(line, raw, str(error))


def means_deleted(value: object) -> bool:
    """Whether a column such as `deleted_at` or `is_deleted` says that the user is deleted there."""
    if not isinstance(value, str):
        return value not in (None, False, 0)
    text = value.strip().lower()
    return _TRUTH.get(text, True) and not text.startswith(("0000-00-00", "0001-01-01"))


class _BadRow(Exception):
    """What is wrong with a row; never a value of it."""


def _id(value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else value
    if type(value) is not int or not 0 < value <= _MAX_ID:
        raise _BadRow(f"id: must be a whole number from 1 to {_MAX_ID}; --ignore id gives new ones")
    return value


def _email(value: object) -> str:
    try:
        return parse_email(_text(value))
    except ValueError:
        raise _BadRow("email: must be an e-mail address") from None


def _name(value: object) -> str:
    try:
        return parse_name(_text(value))
    except ValueError:
        raise _BadRow(f"name: must be one line of at most {NAME_MAX_LENGTH} characters") from None


def _password_hash(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if wrapped := _WRAPPED_HASH.fullmatch(text):
        text = wrapped[1]
    if text == NO_PASSWORD or (text.isascii() and passwords.is_usable(text)):
        return text
    kind = next((kind for kind, form in _OTHER_HASHES.items() if form.match(text)), None)
    if kind is None:
        raise _BadRow("password_hash: must be a bcrypt or argon2 hash of no absurd cost")
    raise _BadRow(
        f"password_hash: must be a bcrypt or argon2 hash, and {kind} cannot be verified; put the bcrypt hash of a "
        "random password here, and let the user have a new password"
    )


def _timestamp(fields: Mapping[str, object], name: str, zone: tzinfo) -> datetime | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_dumped_timestamp(_text(value).strip(), zone)
    except ValueError:
        raise _BadRow(
            f"{name}: must be a time such as 2026-11-23T08:00:00.123456Z, and none that means none; "
            "without an offset it is UTC, or what --timezone says"
        ) from None


def _scopes(value: object) -> list[str]:
    texts = value if isinstance(value, list) else _text(value).split()
    try:
        return parse_scopes(_text(text) for text in texts)
    except ValueError:
        raise _BadRow("scopes: must be names such as orders:read, between spaces") from None


def _is_disabled(fields: Mapping[str, object], zone: tzinfo) -> bool:
    if "enabled" in fields:
        enabled = _truth(fields["enabled"])
        if enabled is None:
            raise _BadRow("disabled: the column whose opposite it is must be true or false")
        return not enabled
    if "disabled_until" in fields:
        until = _timestamp(fields, "disabled_until", zone)
        return until is not None and until > datetime.now(UTC)
    disabled = _truth(fields.get("disabled") or "")
    if disabled is None:
        # since when, such as Devise's locked_at
        try:
            disabled = _timestamp(fields, "disabled", zone) is not None
        except _BadRow:
            raise _BadRow("disabled: must be true or false, or a time since when") from None
    return disabled


def _truth(value: object) -> bool | None:
    """What a value means; None where it means neither."""
    if isinstance(value, bool):
        return value
    if type(value) is int:
        value = str(value)
    return _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None


def _text(value: object) -> str:
    """Text, empty for null.

    Raises:
        ValueError: something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 -- it is the row's value that is wrong
    return value
