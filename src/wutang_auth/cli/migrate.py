"""`wutang-auth migrate`: the schema to head, and the tables on several servers."""

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
    run_with,
)
from wutang_auth.cli.output import say
from wutang_auth.database import Database
from wutang_auth.repository.distribution import Distribution


def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when the schema is behind.")] = False,
    distribute: Annotated[
        bool, typer.Option("--distribute", help="Then spread the tables over several servers by Citus, once.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Bring the database's schema to head; a newer one is left alone."""
    if check and distribute:
        raise typer.BadParameter("--check changes nothing, so it does not go with --distribute")
    with database_settings(CommandSettings, data_dir) as settings:
        _bring_to_head(settings, check=check)
        if distribute:
            _distribute(settings)


def _bring_to_head(settings: CommandSettings, *, check: bool) -> None:
    from wutang_auth.database import REVISION, is_enough, migrations

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
            raise CommandError(f"the schema is behind ({before or 'empty'}, not {REVISION}); run `wutang-auth migrate`")
        migrations.upgrade(url, **options)
    say(f"migrated the schema from {before or 'empty'} to {REVISION}")


def _distribute(settings: CommandSettings) -> None:
    async def spread(database: Database) -> bool:
        return await Distribution(database).spread()

    if run_with(settings, spread):
        say("spread the tables over the servers of the cluster; start every instance again")
    else:
        say("the tables are spread over the servers of the cluster already; nothing to do")
