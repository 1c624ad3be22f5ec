from alembic.script import ScriptDirectory

from wutang_auth import repository
from wutang_auth.database import migrations


def test_the_models_name_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [repository.REVISION]
