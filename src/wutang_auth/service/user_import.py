"""Users of an earlier system, taken over row by row."""

from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from wutang_auth import audit
from wutang_auth.fields import (
    NAME_MAX_LENGTH,
    canonical_email,
    parse_email,
    parse_name,
    parse_scopes,
    parse_timestamp,
)
from wutang_auth.passwords import hashing as passwords
from wutang_auth.repository import ImportRepository, IncomingUser, RejectedRow

COLUMNS = (
    "id", "email", "name", "email_verified_at", "password_hash", "scopes", "disabled", "created_at", "updated_at",
)  # fmt: skip

_MAX_ID = (
    2**53 - 1
)  # beyond it, programs that read JSON numbers as floats would mistake users for each other (RFC 8259)
_TRUTH = {None: False, "": False, "0": False, "false": False, "1": True, "true": True}


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
        audit.record("users_imported", reason=f"{created} created, {rejected} rejected")
        return Imported(total, created, rejected)


def incoming_user(line: int, raw: bytes, fields: Mapping[str, object]) -> IncomingUser:
    """A row, checked; the values are text, or what JSON has instead."""
    try:
        email = _email(fields.get("email"))
        return IncomingUser(
            line,
            raw,
            id=_id(fields.get("id")),
            email=email,
            canonical_email=canonical_email(email),
            name=_name(fields.get("name")),
            email_verified_at=_timestamp(fields, "email_verified_at"),
            password_hash=_password_hash(fields.get("password_hash")),
            scopes=_scopes(fields.get("scopes")),
            disabled=_is_disabled(fields.get("disabled")),
            created_at=_timestamp(fields, "created_at"),
            updated_at=_timestamp(fields, "updated_at"),
        )
    except _BadRow as error:
        return IncomingUser(line, raw, str(error))


class _BadRow(Exception):
    """What is wrong with a row; never a value of it."""


def _id(value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 < value <= _MAX_ID:
        raise _BadRow(f"id: must be a whole number from 1 to {_MAX_ID}")
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
    if not isinstance(value, str) or not value.isascii() or not passwords.is_usable(value):
        raise _BadRow("password_hash: must be a bcrypt or argon2 hash of no absurd cost")
    return value


def _timestamp(fields: Mapping[str, object], name: str) -> datetime | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_timestamp(_text(value), utc_by_default=True)
    except ValueError:
        raise _BadRow(f"{name}: must be a time such as 2026-11-23T08:00:00Z; without an offset it is UTC") from None


def _scopes(value: object) -> list[str]:
    texts = value if isinstance(value, list) else _text(value).split()
    try:
        return parse_scopes(_text(text) for text in texts)
    except ValueError:
        raise _BadRow("scopes: must be names such as orders:read, between spaces") from None


def _is_disabled(value: object) -> bool:
    key = value.lower() if isinstance(value, str) else value
    if isinstance(key, bool):
        return key
    if type(key) is int:
        key = str(key)
    if (key is not None and not isinstance(key, str)) or key not in _TRUTH:
        raise _BadRow("disabled: must be true or false")
    return _TRUTH[key]


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
