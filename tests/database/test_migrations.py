"""Migrations: from a checkout and from a wheel, once each, and the same schema as the tables in the code."""

import asyncio
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from support.commands import Outcome, run
from support.database import fill_users, query, revision_of, table_names, user_ids
from support.services import environment_of
from support.users import add_user
from wutang_auth.database import REVISION, migrations

CHECKOUT = Path(__file__).parents[2]


async def migrate(url: str, *arguments: str) -> Outcome:
    return await run({"WUTANG_DATABASE_URL": url}, "migrate", *arguments)


async def test_tables_of_the_code_are_those_of_the_migrations(database_url: str) -> None:
    """`alembic check`: raises if a migration is missing."""
    await asyncio.to_thread(command.check, migrations.config(database_url))


async def test_migrate_goes_on_from_each_revision(empty_database_url: str) -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    configuration = migrations.config(empty_database_url)
    await asyncio.to_thread(command.upgrade, configuration, revisions[0])
    await fill_users(empty_database_url, 3)
    for step in revisions[1:]:
        await asyncio.to_thread(command.upgrade, configuration, step)
        assert await revision_of(empty_database_url) == [step]
    assert await user_ids(empty_database_url) == {1, 2, 3}
    await asyncio.to_thread(command.check, configuration)


async def test_every_migration_can_be_taken_back(database_url: str) -> None:
    await asyncio.to_thread(command.downgrade, migrations.config(database_url), "base")
    assert await table_names(database_url) == ["alembic_version"]
    await asyncio.to_thread(migrations.upgrade, database_url)
    await asyncio.to_thread(command.check, migrations.config(database_url))


async def test_alembic_works_by_itself_in_a_checkout(empty_database_url: str) -> None:
    for arguments in (["upgrade", "head"], ["check"]):
        run_python(CHECKOUT, empty_database_url, "-m", "alembic", *arguments)
    assert await revision_of(empty_database_url) == [REVISION]


async def test_wheel_brings_its_migrations_along(empty_database_url: str, tmp_path: Path) -> None:
    installed = unpacked_wheel(tmp_path)
    names = [str(path.relative_to(installed)) for path in installed.rglob("*")]
    assert "wutang_auth/alembic/env.py" in names
    assert f"wutang_auth/alembic/versions/{newest()}" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "."))]

    program = f"import sys; sys.path.insert(0, {str(installed)!r}); from wutang_auth.cli import main; main()"
    said = run_python(tmp_path, empty_database_url, "-c", program, "migrate")
    assert said == f"migrated the schema from empty to {REVISION}\n"
    assert await revision_of(empty_database_url) == [REVISION]


def unpacked_wheel(directory: Path) -> Path:
    """The project as it is installed."""
    run_python(CHECKOUT, "postgresql://", "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory))
    [wheel] = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "installed")
    return directory / "installed"


def run_python(directory: Path, url: str, *arguments: str) -> str:
    """What a program in Python says that must succeed."""
    environment = environment_of(url, Path("none")) | {"PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest() -> str:
    script = ScriptDirectory.from_config(migrations.config()).get_revision(REVISION)
    assert script is not None
    return Path(script.path).name


async def test_constraints_hold_in_the_database(database_url: str) -> None:
    await add_user(database_url, "Ada@wutang.example")
    insert = "INSERT INTO users (email, canonical_email, password_hash) VALUES ($1, $2, 'x')"
    with pytest.raises(asyncpg.UniqueViolationError):
        await query(database_url, insert, "ADA@wutang.example", "ada@wutang.example")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await query(
            database_url, "INSERT INTO sessions (user_id, id, expires_at) VALUES (99, gen_random_uuid(), now())"
        )
    given = "INSERT INTO users (id, email, canonical_email, password_hash) VALUES (4711, $1, $1, $1) RETURNING id"
    assert [row[0] for row in await query(database_url, given, "b@x.y")] == [4711]


BEFORE_EMAILS = "0003"


async def users_before(url: str, *emails: str) -> None:
    """Users as the release before `emails` made them."""
    await asyncio.to_thread(command.upgrade, migrations.config(url), BEFORE_EMAILS)
    for email in emails:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())
        insert = "INSERT INTO users (email, canonical_email, password_hash) VALUES ($1, $2, 'x')"
        await query(url, insert, email, folded)


async def test_addresses_are_brought_to_their_canonical_form_and_claimed(empty_database_url: str) -> None:
    # the new form of the last one is the old form of the one before it; one of them is no address any more
    emails = ["Ada@WuTang.example", "info@München.example", "x@XN--MNCHEN-3YA.example", "李雷@例子。中国",
              "a@x_é.example", "a@straße.example", "a@strasse。example"]  # fmt: skip
    await users_before(empty_database_url, *emails)
    await fill_users(empty_database_url, 2500)
    done = await migrate(empty_database_url)
    assert done.said == f"migrated the schema from {BEFORE_EMAILS} to {REVISION}"
    rows = await query(empty_database_url, "SELECT * FROM users JOIN emails USING (canonical_email) ORDER BY id")
    assert len(rows) == 2507
    assert all(row["id"] == row["user_id"] for row in rows)
    assert [row["email"] for row in rows[:7]] == emails
    assert [row["canonical_email"] for row in rows[:7]] == [
        "ada@wutang.example", "info@xn--mnchen-3ya.example", "x@xn--mnchen-3ya.example", "李雷@xn--fsqu00a.xn--fiqs8s",
        "a@x_é.example", "a@xn--strae-oqa.example", "a@strasse.example",
    ]  # fmt: skip


async def test_two_users_of_one_address_stop_the_migration_until_one_has_another(empty_database_url: str) -> None:
    await users_before(
        empty_database_url, "info@xn--mnchen-3ya.example", "ada@wutang.example", "a@例子.中国", "a@例子。中国",
        "Info@München.example", "a@xn--fsqu00a.xn--fiqs8s", "b@bücher.example",
    )  # fmt: skip
    before = await query(empty_database_url, "SELECT * FROM users ORDER BY id")
    refused = (await migrate(empty_database_url)).error
    assert refused == (
        "the database cannot be used: no address was changed, "
        "since these users have one e-mail address in several spellings: "
        "1 (info@xn--mnchen-3ya.example) and 5 (Info@München.example); "
        "3 (a@例子.中国) and 4 (a@例子。中国) and 6 (a@xn--fsqu00a.xn--fiqs8s); "
        "give all but one of each another one by `wutang-auth users change-email ID EMAIL`, "
        "then run `wutang-auth migrate` again"
    )
    assert await query(empty_database_url, "SELECT * FROM users ORDER BY id") == before
    assert await revision_of(empty_database_url) == [BEFORE_EMAILS]
    assert "emails" not in await table_names(empty_database_url)

    environment = {"WUTANG_DATABASE_URL": empty_database_url}
    for user_id, email in ((5, "old.info@münchen.example"), (4, "a4@x.example"), (6, "a6@x.example")):
        changed = await run(environment, "users", "change-email", user_id, email)
        assert changed.said == f"changed the address of user {user_id}, {email}"
    taken = await run(environment, "users", "change-email", 3, "ADA@wutang.example")
    assert taken.error == "another user has this e-mail"
    assert (await migrate(empty_database_url)).said == f"migrated the schema from {BEFORE_EMAILS} to {REVISION}"
    rows = await query(empty_database_url, "SELECT canonical_email FROM emails ORDER BY user_id")
    assert [row[0] for row in rows] == [
        "info@xn--mnchen-3ya.example", "ada@wutang.example", "a@xn--fsqu00a.xn--fiqs8s", "a4@x.example",
        "old.info@xn--mnchen-3ya.example", "a6@x.example", "b@xn--bcher-kva.example",
    ]  # fmt: skip
