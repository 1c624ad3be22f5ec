"""What a migration waits for, and who waits for it."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic import command

from support.database import fill_users, query, revision_of, transaction
from support.migrations import COLUMN, NEXT, add_migrations, configuration_of

MIGRATE = """
import sys
from pathlib import Path
from alembic import command
from support.migrations import configuration_of
command.upgrade(configuration_of(sys.argv[1], Path(sys.argv[2])), "head")
"""
TESTS = Path(__file__).parents[1]
BUILD = "pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%'"
INSERT = "INSERT INTO sessions (user_id, id, expires_at) VALUES (1, gen_random_uuid(), now() + interval '1 day')"


async def begin_migration(url: str, directory: Path) -> asyncio.subprocess.Process:
    """A migration to the version after this one, in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", MIGRATE, url, str(directory), cwd=TESTS, stderr=asyncio.subprocess.PIPE
    )


async def ended_well(migration: asyncio.subprocess.Process) -> None:
    """The migration has done what it was to do."""
    _, stderr = await asyncio.wait_for(migration.communicate(), 60)
    assert migration.returncode == 0, stderr


async def index_is_begun(url: str) -> None:
    """Return when its build has begun, which waits for transactions that began before."""
    async with asyncio.timeout(30):
        while not await query(url, "SELECT FROM pg_class WHERE relname = 'ix_next_version'"):  # noqa: ASYNC110 -- as below
            await asyncio.sleep(0.02)


async def cut_off(url: str) -> None:
    """End the build of the index where it is."""
    async with asyncio.timeout(30):
        while await query(url, f"SELECT pg_terminate_backend(pid) FROM {BUILD}"):  # noqa: ASYNC110 -- PostgreSQL has no event for it
            await asyncio.sleep(0.02)


async def index_is_valid(url: str) -> bool:
    """Whether it was built to its end."""
    [[is_valid]] = await query(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_next_version'::regclass")
    return bool(is_valid)


@pytest.fixture
async def directory(database_url: str, tmp_path: Path) -> Path:
    """Migrations of the version after this one, of which all but the last are done."""
    directory = add_migrations(tmp_path / "alembic")
    await asyncio.to_thread(command.upgrade, configuration_of(database_url, directory), COLUMN)
    await fill_users(database_url, 1)
    return directory


async def test_index_is_built_while_others_write_and_other_migrations_wait_their_turn(
    database_url: str, directory: Path
) -> None:
    async with transaction(database_url) as writer:
        await writer.execute(INSERT)  # whose end the build waits for
        running = [await begin_migration(database_url, directory) for _ in range(2)]
        await index_is_begun(database_url)
        await query(database_url, INSERT)
        assert [each.returncode for each in running] == [None, None]
    for each in running:
        await ended_well(each)
    assert await revision_of(database_url) == [NEXT]
    assert await index_is_valid(database_url)


async def test_index_that_was_not_finished_is_built_again(database_url: str, directory: Path) -> None:
    async with transaction(database_url) as writer:
        await writer.execute(INSERT)
        migration = await begin_migration(database_url, directory)
        await index_is_begun(database_url)
        await cut_off(database_url)
        await migration.communicate()
    assert not await index_is_valid(database_url)
    await ended_well(await begin_migration(database_url, directory))
    assert await revision_of(database_url) == [NEXT]
    assert await index_is_valid(database_url)
