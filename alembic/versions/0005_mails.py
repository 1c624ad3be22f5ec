"""Create mails and mail_tokens; add the time of a session's last full authentication.

Revision ID: 0005
Revises: 0004
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def _timestamp(name: str) -> "sa.Column[datetime]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))


def _user() -> "sa.Column[int]":
    return sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=True)


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("canonical_email", sa.Text(), nullable=False),
        _user(),
        sa.Column("other_email", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        _timestamp("created_at"),
        _timestamp("due_at"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.05"},
    )
    op.create_index("ix_mails_due_at", "mails", ["due_at"])
    op.create_index("ix_mails_user_id", "mails", ["user_id"])
    op.create_table(
        "mail_tokens",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        _user(),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("canonical_email", sa.Text(), nullable=False),
        sa.Column("other_canonical", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _timestamp("created_at"),
    )
    op.create_index("ix_mail_tokens_user_id", "mail_tokens", ["user_id"])
    op.create_index("ix_mail_tokens_expires_at", "mail_tokens", ["expires_at"])
    # No row is written: of the sessions that are there nobody knows, so they are not fresh.
    op.add_column("sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("sessions", "authenticated_at", server_default=sa.text("now()"))


def downgrade() -> None:
    op.drop_column("sessions", "authenticated_at")
    op.drop_table("mail_tokens")
    op.drop_table("mails")
