"""The schema's migrations: where they are, what is newest, how they are applied."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def _directory() -> Path:
    """`alembic/` beside this module in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parents[1] / "alembic"


def config(url: str | None = None) -> Config:
    """Alembic's configuration for the database at this URL."""
    settings = Config()
    settings.set_main_option("script_location", str(_directory()).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["url"] = url
    return settings


def head() -> str:
    """The revision that this version of the service needs."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    if revision is None:
        raise RuntimeError("the migrations are missing from this installation")
    return revision


def upgrade(url: str) -> None:
    """Bring the schema to head; must not be called from a running event loop."""
    command.upgrade(config(url), "head")
