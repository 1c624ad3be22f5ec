"""The command that brings the schema to head."""

import asyncio
from pathlib import Path

import pytest
from alembic import command

from support.commands import Outcome, run, run_apart
from support.database import query, revision_of, set_revision, table_names, transaction, wait_for_lock_waiters
from wutang_auth.cli.context import CommandError, in_one_line
from wutang_auth.database import REVISION, migrations


async def migrate(url: str, *arguments: str) -> Outcome:
    return await run({"WUTANG_DATABASE_URL": url}, "migrate", *arguments)


async def schema_at(url: str, revision: str) -> None:
    """The schema as an earlier version made it."""
    await asyncio.to_thread(command.upgrade, migrations.config(url), revision)


async def test_migrate_brings_an_empty_database_to_head(empty_database_url: str) -> None:
    behind = (await migrate(empty_database_url, "--check")).error
    assert behind == f"the schema is behind (empty, not {REVISION}); run `wutang-auth migrate`"
    done = (await migrate(empty_database_url)).said
    assert done == f"migrated the schema from empty to {REVISION}"
    assert await revision_of(empty_database_url) == [REVISION]
    for arguments in ((), ("--check",)):
        assert (await migrate(empty_database_url, *arguments)).said == f"the schema is at head ({REVISION})"


async def test_migrations_at_once_happen_once(empty_database_url: str) -> None:
    """As when every replica of a deployment migrates at its start."""
    environment = {"WUTANG_DATABASE_URL": empty_database_url}
    done = await asyncio.gather(*(run_apart(environment, "migrate") for _ in range(3)))
    assert [(one.code, one.stderr) for one in done] == [(0, "")] * 3
    assert await revision_of(empty_database_url) == [REVISION]


async def test_migration_that_fails_leaves_the_schema_as_it_was(empty_database_url: str) -> None:
    await query(empty_database_url, "CREATE TABLE sessions (id int)")
    assert (await migrate(empty_database_url)).error
    assert await table_names(empty_database_url) == ["sessions"]


async def test_schema_of_a_newer_version_is_left_alone(database_url: str) -> None:
    await set_revision(database_url, "9999")
    for arguments in ((), ("--check",)):
        done = (await migrate(database_url, *arguments)).said
        assert done == "the schema (9999) is newer than this version; nothing to do"
    assert await revision_of(database_url) == ["9999"]


async def test_schema_of_another_program_is_one_line(database_url: str) -> None:
    await set_revision(database_url, "ae1027a6acf0")
    for arguments in ((), ("--check",)):
        refused = (await migrate(database_url, *arguments)).error
        said = "the schema is at ae1027a6acf0, which this version does not know; use the version that made it"
        assert refused == said


async def test_migration_waits_for_a_lock_no_longer_than_those_behind_it_can_wait(empty_database_url: str) -> None:
    """Who only reads, as a dump does, stops an ALTER TABLE; and that stops everyone else for as long as it waits."""
    await schema_at(empty_database_url, "0002")
    async with transaction(empty_database_url) as dump:
        await dump.execute("SET application_name = 'pg_dump'")
        await dump.execute("SELECT count(*) FROM sessions")
        migration = asyncio.create_task(migrate(empty_database_url))
        await wait_for_lock_waiters(empty_database_url)
        await query(empty_database_url, "SELECT count(*) FROM sessions")
        assert not migration.done()
    assert (await migration).said == f"migrated the schema from 0002 to {REVISION}"


async def test_lock_that_is_never_free_is_named_in_one_line(empty_database_url: str) -> None:
    await schema_at(empty_database_url, "0002")
    async with transaction(empty_database_url) as dump:
        await dump.execute("SET application_name = 'pg_dump'")
        await dump.execute("SELECT count(*) FROM sessions")
        pid = dump.get_server_pid()
        with pytest.raises(CommandError) as failed, in_one_line():
            await asyncio.to_thread(migrations.upgrade, empty_database_url, lock_pauses=[0.0])
    assert str(failed.value) == f"another session holds a lock on `sessions` (pid {pid}, pg_dump); try again"
    assert await revision_of(empty_database_url) == ["0002"]


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:canary@127.0.0.1:1/d", "postgresql://u:canary@nowhere.invalid/d", "postgresql://u:canary@h:x/d"],
)
async def test_unreachable_database_is_one_line_without_the_password(url: str) -> None:
    assert "canary" not in (await migrate(url)).error


async def test_neither_database_nor_data_directory_is_one_line(tmp_path: Path) -> None:
    failed = await run({}, "migrate", "--data-dir", tmp_path / "none")
    assert failed.error.startswith("WUTANG_DATABASE_URL is not set and there is no ")
