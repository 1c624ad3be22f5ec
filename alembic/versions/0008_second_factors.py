"""Create totps, recovery_codes and challenges, and note by what the user of a session proved who it is.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "totps",
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    op.create_index("ix_totps_kid", "totps", ["kid"])
    op.create_index("ix_totps_unconfirmed", "totps", ["created_at"], postgresql_where=sa.text("confirmed_at IS NULL"))
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
    )
    op.create_table(
        "challenges",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
        sa.Column("verified_hash", sa.Text(), nullable=True),
        sa.Column("detail", JSONB(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.05"},
    )
    op.create_index("ix_challenges_user_id", "challenges", ["user_id"])
    op.create_index("ix_challenges_expires_at", "challenges", ["expires_at"])
    op.add_column("sessions", sa.Column("amr", sa.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "amr")
    op.drop_table("challenges")
    op.drop_table("recovery_codes")
    op.drop_table("totps")
