"""The schema, once: SQLModel tables, from which Alembic writes migrations. The service does not import it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import JSONB
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
    authenticated_at: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True, server_default=NOW)
    )
    """When its user last proved who it is; None: nobody knows, as of sessions older than this column."""
    amr: list[str] | None = Field(sa_column=Column(ARRAY(Text), nullable=True))
    """By what, as RFC 8176 names it: `pwd`, `otp`, `mfa`; None: by the password alone, as far as is known."""
    access_expires_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now() + interval '1 day'"))
    )
    """When the last of its access tokens has expired, whatever their lifetime was; at most a day after it was made."""
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ip: str | None = Field(sa_column=Column(Text, nullable=True))
    user_agent: str | None = Field(sa_column=Column(Text, nullable=True))


class Revocation(SQLModel, table=True):
    """A session that ended while access tokens of it may still live, or a user who has lost a scope.

    It outlives its session and user. The key begins with the user, as distributed engines like it.
    """

    __tablename__ = "revocations"
    __table_args__ = (
        Index("ix_revocations_revoked_at", "revoked_at"),
        Index("ix_revocations_expires_at", "expires_at"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.05"}},
    )

    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    session_id: UUID = Field(sa_column=Column(UuidType, primary_key=True))
    """All zeros: every token of the user that was made until then."""
    revoked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """When the last access token concerned has expired."""


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


def _owner() -> "Column[int]":
    return Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=True)


class Mail(SQLModel, table=True):
    """A mail to be sent. It holds no token: that is made when the mail is."""

    __tablename__ = "mails"
    __table_args__ = (
        Index("ix_mails_due_at", "due_at"),
        Index("ix_mails_user_id", "user_id"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.05"}},
    )

    id: UUID = Field(sa_column=Column(UuidType, primary_key=True, server_default=text("gen_random_uuid()")))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    email: str = Field(sa_column=Column(Text, nullable=False))
    """What was asked for; the mail goes to the stored address where an account has one."""
    canonical_email: str = Field(sa_column=Column(Text, nullable=False))
    user_id: int | None = Field(sa_column=_owner())
    """None: whose it is, if anybody's, is looked up when it is sent."""
    other_email: str | None = Field(sa_column=Column(Text, nullable=True))
    """The other address of a change."""
    language: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_timestamp())
    due_at: datetime = Field(sa_column=_timestamp())
    """When it is to be sent. Whoever takes it postpones it, which is its lease."""
    attempts: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("0")))


class MailToken(SQLModel, table=True):
    """What a link in a mail may do, once; of the token there is only its SHA-256."""

    __tablename__ = "mail_tokens"
    __table_args__ = (
        Index("ix_mail_tokens_user_id", "user_id"),
        Index("ix_mail_tokens_expires_at", "expires_at"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    user_id: int | None = Field(sa_column=_owner())
    """None: there is no user yet."""
    email: str = Field(sa_column=Column(Text, nullable=False))
    canonical_email: str = Field(sa_column=Column(Text, nullable=False))
    other_canonical: str | None = Field(sa_column=Column(Text, nullable=True))
    """The other address of a change, as compared."""
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    created_at: datetime = Field(sa_column=_timestamp())


class Totp(SQLModel, table=True):
    """The secret that a user's app makes codes of (RFC 6238), encrypted; one app a user."""

    __tablename__ = "totps"
    __table_args__ = (
        Index("ix_totps_kid", "kid"),
        Index("ix_totps_unconfirmed", "created_at", postgresql_where=text("confirmed_at IS NULL")),
    )

    user_id: int = Field(sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """The nonce, then the ciphertext."""
    kid: str = Field(sa_column=Column(Text, nullable=False))
    """The key of the key ring that it is encrypted with."""
    last_step: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    """The time step of the last code that was used: none of before is taken again."""
    confirmed_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    """When the first code came; None: until then it is no factor."""
    created_at: datetime = Field(sa_column=_timestamp())


class RecoveryCode(SQLModel, table=True):
    """The SHA-256 of a code that stands in for the app, once."""

    __tablename__ = "recovery_codes"

    user_id: int = Field(sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))


class Challenge(SQLModel, table=True):
    """What was begun with a first factor and waits for a second one; of its token there is only the SHA-256."""

    __tablename__ = "challenges"
    __table_args__ = (
        Index("ix_challenges_user_id", "user_id"),
        Index("ix_challenges_expires_at", "expires_at"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.05"}},
    )

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    """`login`."""
    user_id: int | None = Field(sa_column=_owner())
    verified_hash: str | None = Field(sa_column=Column(Text, nullable=True))
    """The stored hash of the password that was right: with another one the challenge counts no more."""
    detail: dict[str, str] | None = Field(sa_column=Column(JSONB, nullable=True))
    """For kinds of factors that have more to remember."""
    attempts: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("0")))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class LegacyToken(SQLModel, table=True):
    """A token of the system that was here before, by the SHA-1 of its `jti`, which was used up or revoked.

    It is kept until the token cannot count any more, be it for access or for a refresh.
    """

    __tablename__ = "legacy_tokens"
    __table_args__ = (Index("ix_legacy_tokens_expires_at", "expires_at"),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    """`adopted`: it became the session with the id made of its `jti`; `logout`: here; `imported`: it ended there."""
    user_id: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    """None: imported, and there it was not known whose it was."""
    created_at: datetime = Field(sa_column=_timestamp())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class TakeoverUser(SQLModel, table=True):
    """A user whom `takeover users` brought, with what the source said last.

    The row stays when the user is deleted here, so that the next run does not bring the user back. Of what is personal
    it has the SHA-256 only, which suffices to see what changed.
    """

    __tablename__ = "takeover_users"

    user_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    email: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    name: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    password_hash: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    email_verified_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    scopes: list[str] | None = Field(sa_column=Column(ARRAY(Text), nullable=True))
    disabled: bool | None = Field(sa_column=Column(Boolean, nullable=True))
    created_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    updated_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    password_changed: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    """Whether the password was changed here; a better hash of the same password is no change."""
    refused_until: datetime | None = Field(sa_column=_timestamp(nullable=True))
    """Legacy tokens of this user with an `iat` up to then are refused: all sessions were ended here."""
    legacy_seen_at: datetime | None = Field(sa_column=_timestamp(nullable=True))
    """When a legacy token of this user was let in last, to within the hour."""


class TakeoverRun(SQLModel, table=True):
    """The last time that `takeover users` or `takeover revocations` ended well."""

    __tablename__ = "takeover_runs"

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    """`users` or `revocations`."""
    finished_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    rejected: int = Field(sa_column=Column(BigInteger, nullable=False))
