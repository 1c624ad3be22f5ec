"""The version after this one, as far as the database sees it: two migrations more."""

import shutil
from pathlib import Path

from alembic.config import Config

from wutang_auth.database import REVISION, migrations
from wutang_auth.database.revision import MIGRATIONS

COLUMN, NEXT = (f"{int(REVISION) + step:04}" for step in (1, 2))
_HEAD = """\
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
"""
_ADD_COLUMN = """\
    op.add_column("sessions", sa.Column("next_version", sa.Text(), nullable=True))
"""
_BUILD_INDEX = """\
    with op.get_context().autocommit_block():
        op.drop_index("ix_next_version", table_name="sessions", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_next_version", "sessions", ["next_version"], postgresql_concurrently=True)
"""


def configuration_of(url: str, directory: Path) -> Config:
    """Alembic's for the migrations in a directory."""
    configuration = migrations.config(url)
    configuration.set_main_option("script_location", str(directory))
    return configuration


def add_migrations(directory: Path) -> Path:
    """A copy of the migrations with two more.

    COLUMN adds one to `sessions`, NEXT an index on it, which is built concurrently.
    """
    shutil.copytree(MIGRATIONS, directory, ignore=shutil.ignore_patterns("__pycache__"))
    for revision, before, body in ((COLUMN, REVISION, _ADD_COLUMN), (NEXT, COLUMN, _BUILD_INDEX)):
        file = directory / "versions" / f"{revision}_next_version.py"
        file.write_text(_HEAD.format(revision=revision, before=before) + body)
    return directory
