from alembic.script import ScriptDirectory

from wutang_auth.database import REVISION, migrations


def test_revision_that_is_read_from_the_file_names_is_alembics_head() -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [REVISION]
