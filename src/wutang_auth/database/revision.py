"""Where the migrations are, and which is the newest. Alembic, which is slow to load, need not be asked."""

from pathlib import Path


def _directory() -> Path:
    """`alembic/` inside the package in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parents[1] / "alembic"


MIGRATIONS = _directory()

REVISION = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))
"""The newest revision, such as `0002`: migrations are numbered, and their files are called by their numbers."""
