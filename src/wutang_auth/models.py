"""The schema, once: SQLModel tables, from which Alembic writes migrations. The service does not import it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, Text, text
from sqlalchemy import Uuid as UuidType
from sqlmodel import Column, Field, SQLModel

NOW = text("now()")


def _timestamp(name: str | None = None, *, nullable: bool = False) -> "Column[datetime]":
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


class User(SQLModel, table=True):
    """A user. Ids may be given, so that those of an earlier system stay."""

    __tablename__ = "users"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=False), primary_key=True))
    email: str = Field(sa_column=Column(Text, nullable=False))
    canonical_email: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    """The e-mail as compared: see `fields.canonical_email`."""
    name: str = Field(sa_column=Column(Text, nullable=False, server_default=text("''")))
    email_verified_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    password_hash: str = Field(sa_column=Column(Text, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    disabled_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    created_at: datetime = Field(sa_column=_timestamp())
    updated_at: datetime = Field(sa_column=_timestamp())


class Email(SQLModel, table=True):
    """Whose an address is, of which one user has each.

    A table of its own for distributed engines, which find a row by one key only: users by their ids, these by the
    address. `users` keeps its unique constraint where there is one server.
    """

    __tablename__ = "emails"

    canonical_email: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class Session(SQLModel, table=True):
    """A login that has not ended. The row is the truth: no row, no access.

    A refresh changes only `generation`, `rotated_at` and `confirmed_at`, which no index holds, and pages keep room for
    the new version, so that it is a heap-only update. The key begins with the user, as distributed engines like it.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_expires_at", "expires_at"),
        {
            "postgresql_with": {
                "fillfactor": "70",
                # dead versions go before they pile up: after 1 % of the rows, not 20 %
                "autovacuum_vacuum_scale_factor": "0.01",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    user_id: int = Field(sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    id: UUID = Field(sa_column=Column(UuidType, primary_key=True))
    generation: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("0")))
    rotated_at: datetime = Field(sa_column=_timestamp())
    """When the present generation started."""
    confirmed_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True), nullable=True, server_default=NOW))
    """When a token of the present generation was used first; that of a login counts as used."""
    created_at: datetime = Field(sa_column=_timestamp())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ip: str | None = Field(sa_column=Column(Text, nullable=True))
    user_agent: str | None = Field(sa_column=Column(Text, nullable=True))


class Attempt(SQLModel, table=True):
    """How often a password was tried lately, for one account, one address, or one account from one address.

    Keys are digests, so that what people type into the wrong field is not kept.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_last_at", "last_at"),
        {"postgresql_with": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"}},
    )

    key: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    attempts: int = Field(sa_column=Column(BigInteger, nullable=False))
    """All since the last success, refused ones too."""
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    """Those that were let through to the password."""
    nonce: int = Field(sa_column=Column("turn", BigInteger, nullable=False))
    """A random number of the attempt that was let through last: how an attempt sees that it was the one."""
    last_at: datetime = Field(sa_column=_timestamp())
    allowed_at: datetime = Field(sa_column=_timestamp("free_at"))
    """When the next one is let through."""
    succeeded_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
