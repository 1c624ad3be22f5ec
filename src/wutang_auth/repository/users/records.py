"""What is read from `users`, and what is to change there."""

from dataclasses import dataclass, field, fields
from datetime import datetime

from wutang_auth.records import record


@record
class UserRecord:
    """A user, without the password hash."""

    id: int
    name: str
    email: str
    email_verified_at: datetime | None
    scopes: list[str]
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user with the password hash, for another system to take over."""

    user: UserRecord
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is compared with."""

    user_id: int
    password_hash: str = field(repr=False)
    scopes: list[str]
    is_disabled: bool
    is_verified: bool
    """Whether the address is."""


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to change of a user; None leaves a field as it is."""

    name: str | None = None
    email: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    scopes: list[str] | None = None
    disabled: bool | None = None
    email_verified_at: datetime | None = None
    clear_email_verified_at: bool = False

    @property
    def changed(self) -> list[str]:
        """The names of the fields that change."""
        values = {
            "name": self.name,
            "email": self.email,
            "password": self.password_hash,
            "scopes": self.scopes,
            "disabled": self.disabled,
            "email_verified_at": self.email_verified_at or self.clear_email_verified_at or None,
        }
        return [name for name, value in values.items() if value is not None]


USER_COLUMNS = ", ".join(f"users.{field.name}" for field in fields(UserRecord)).replace(
    # SECURITY: -infinity is the "not set" of some other programs, which must not count as verified
    "users.email_verified_at", "nullif(users.email_verified_at, '-infinity') AS email_verified_at",
)  # fmt: skip
"""SQL: what a UserRecord is made from."""
