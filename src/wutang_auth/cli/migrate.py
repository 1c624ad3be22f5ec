"""`wutang-auth migrate`: the schema to head."""

from typing import Annotated

import typer

from wutang_auth.cli.context import (
    DATA_DIR,
    CommandError,
    CommandSettings,
    DataDir,
    database_settings,
    in_one_line,
    migration_options,
)
from wutang_auth.cli.output import say


def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when the schema is behind.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Bring the database's schema to head; a newer one is left alone."""
    from wutang_auth.database import REVISION, is_enough, migrations

    with database_settings(CommandSettings, data_dir) as settings:
        url, options = settings.database_url.get_secret_value(), migration_options(settings)
        with in_one_line():
            before = migrations.current(url, **options)
            if before == REVISION:
                say(f"the schema is at head ({before})")
                return
            if is_enough(before):
                say(f"the schema ({before}) is newer than this version; nothing to do")
                return
            if before is not None and not migrations.is_known(before):
                raise CommandError(
                    f"the schema is at {before}, which this version does not know; use the version that made it"
                )
            if check:
                raise CommandError(
                    f"the schema is behind ({before or 'empty'}, not {REVISION}); run `wutang-auth migrate`"
                )
            migrations.upgrade(url, **options)
        say(f"migrated the schema from {before or 'empty'} to {REVISION}")
