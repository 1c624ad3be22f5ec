"""What a migration waits for, and who waits for it."""

import asyncio
import os
import sys
from pathlib import Path

from support.database import add_sessions, fill_users, query, revision_of, set_revision, transaction
from support.migrations import NEXT, add_migration

MIGRATE = """
import sys
from alembic import command
from wutang_auth.database import migrations
configuration = migrations.config(sys.argv[1])
configuration.set_main_option("script_location", sys.argv[2])
command.upgrade(configuration, "head")
"""
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_next_version')"


async def begin_migration(url: str, directory: Path) -> asyncio.subprocess.Process:
    """A migration to the version after this one, in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", MIGRATE, url, str(directory),
        env=os.environ | {"WUTANG_DATABASE_URL": ""}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def index_is_being_built(url: str) -> None:
    """Return when it is, and waits for a transaction that began before."""
    async with asyncio.timeout(30):
        while await query(url, INDEX) == []:  # noqa: ASYNC110 -- the event is in another process
            await asyncio.sleep(0.02)


async def test_index_is_built_while_others_write_and_other_migrations_wait_their_turn(
    database_url: str, tmp_path: Path
) -> None:
    await fill_users(database_url, 1)
    directory = add_migration(tmp_path / "alembic")
    async with transaction(database_url) as writer:
        await writer.execute("UPDATE users SET name = 'x'")  # keeps a build waiting that has begun
        running = [await begin_migration(database_url, directory) for _ in range(2)]
        await index_is_being_built(database_url)
        await add_sessions(database_url, 1, 3)
        assert [each.returncode for each in running] == [None, None]
    for each in running:
        _, stderr = await asyncio.wait_for(each.communicate(), 60)
        assert each.returncode == 0, stderr
    assert await revision_of(database_url) == [NEXT]
    [[is_valid]] = await query(database_url, INDEX)
    assert is_valid


async def test_index_that_an_interrupted_migration_left_is_built_again(database_url: str, tmp_path: Path) -> None:
    directory = add_migration(tmp_path / "alembic")
    [before] = await revision_of(database_url)
    for _ in range(2):
        migration = await begin_migration(database_url, directory)
        _, stderr = await asyncio.wait_for(migration.communicate(), 60)
        assert migration.returncode == 0, stderr
        await query(database_url, "ALTER TABLE sessions DROP COLUMN next_version")
        await query(database_url, "CREATE INDEX ix_next_version ON sessions (ip)")
        await set_revision(database_url, before)
