"""The command that brings the schema to head."""

import asyncio
from pathlib import Path

import pytest

from support.commands import Outcome, run, run_apart
from support.database import query, revision_of, set_revision, table_names
from wutang_auth.database import REVISION


async def migrate(url: str, *arguments: str) -> Outcome:
    return await run({"WUTANG_DATABASE_URL": url}, "migrate", *arguments)


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


async def test_database_of_a_newer_version_is_one_line(database_url: str) -> None:
    await set_revision(database_url, "9999")
    for arguments in ((), ("--check",)):
        refused = (await migrate(database_url, *arguments)).error
        assert refused == "the schema is at 9999, which this version does not know; use the version that made it"


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:canary@127.0.0.1:1/d", "postgresql://u:canary@nowhere.invalid/d", "postgresql://u:canary@h:x/d"],
)
async def test_unreachable_database_is_one_line_without_the_password(url: str) -> None:
    assert "canary" not in (await migrate(url)).error


async def test_neither_database_nor_data_directory_is_one_line(tmp_path: Path) -> None:
    failed = await run({}, "migrate", "--data-dir", tmp_path / "none")
    assert failed.error.startswith("WUTANG_DATABASE_URL is not set and there is no ")
