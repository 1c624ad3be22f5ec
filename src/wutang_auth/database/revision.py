"""The migrations by their numbers: Alembic, which is slow to load, need not be asked."""

import re
from pathlib import Path


def _directory() -> Path:
    """`alembic/` inside the package in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parents[1] / "alembic"


MIGRATIONS = _directory()

REVISION = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))
"""The newest revision, such as `0002`: migrations are numbered, and their files are called by their numbers."""


def is_enough(revision: str | None) -> bool:
    """Whether this version can work with a schema at this revision: its own newest one, or a later version's.

    A later version's migrations only add to the schema. A revision that is no number is another program's.
    """
    return revision is not None and re.fullmatch("[0-9]{4}", revision) is not None and revision >= REVISION
