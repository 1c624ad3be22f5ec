from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import wutang_auth.models  # noqa: F401 -- fills the metadata
from wutang_auth.database import REVISION, migrations
from wutang_auth.repository.schema import NEEDED


def test_revision_that_is_read_from_the_file_names_is_alembics_head() -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [REVISION]


OF_COMMANDS_ONLY = {"takeover_runs"}


def test_privileges_that_readyz_looks_for_are_on_every_table_of_requests() -> None:
    assert {table for table, _ in NEEDED} == {*SQLModel.metadata.tables, "alembic_version"} - OF_COMMANDS_ONLY
