"""The version after this one, as far as the database sees it: one migration more."""

import shutil
from pathlib import Path

from wutang_auth.database import REVISION
from wutang_auth.database.revision import MIGRATIONS

NEXT = f"{int(REVISION) + 1:04}"
"""The revision of that migration."""
_MIGRATION = f'''\
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("next_version", sa.Text(), nullable=True))
    with op.get_context().autocommit_block():
        op.drop_index("ix_next_version", table_name="sessions", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_next_version", "sessions", ["next_version"], postgresql_concurrently=True)
'''


def add_migration(directory: Path) -> Path:
    """A copy of the migrations with one more: a column of `sessions` and an index on it, built concurrently."""
    shutil.copytree(MIGRATIONS, directory, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "versions" / f"{NEXT}_next_version.py").write_text(_MIGRATION)
    return directory
