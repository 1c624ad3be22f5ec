"""Add the time at which the tokens of a refresh were used first.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # No row is written: those that are there show the first default, and confirmed before all time is at their refresh.
    confirmed_at = sa.Column(
        "confirmed_at", sa.DateTime(timezone=True), nullable=True, server_default=sa.text("'-infinity'")
    )
    op.add_column("sessions", confirmed_at)
    op.alter_column("sessions", "confirmed_at", server_default=sa.text("now()"))


def downgrade() -> None:
    op.drop_column("sessions", "confirmed_at")
