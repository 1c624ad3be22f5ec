"""Every SQL statement of the program, against the real schema."""

import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import bindparam, literal, select
from sqlmodel import col

import wutang_auth
from support.users import add_user
from wutang_auth.database import Database, Statement
from wutang_auth.models import User
from wutang_auth.repository import sql
from wutang_auth.statements.compiling import compile_statement, module_text

STATEMENTS = {name: statement for name, statement in vars(sql).items() if isinstance(statement, Statement)}


def test_there_are_statements() -> None:
    assert {"SESSIONS_ROTATE", "SESSIONS_END", "USERS_CREDENTIALS", "SCHEMA_REVISION"} <= STATEMENTS.keys()


def test_checked_in_sql_is_that_of_the_expressions() -> None:
    assert Path(sql.__file__).read_text("utf-8") == module_text(), (
        "A statement or the schema has changed. Run make sql, and look at what comes of it."
    )


@pytest.mark.parametrize("module", ["wutang_auth.main", "wutang_auth.server.process", "wutang_auth.cli.serve"])
def test_service_runs_without_what_compiles_its_sql(module: str) -> None:
    found = f"import sys, {module}; print(*{{'sqlalchemy', 'sqlmodel', 'alembic'}} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", found], text=True).strip() == ""


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_is_understood_with_its_parameters(name: str, database_url: str) -> None:
    statement = STATEMENTS[name]
    connection = await asyncpg.connect(database_url)
    prepared = await connection.prepare(statement.sql)
    assert len(prepared.get_parameters()) == len(statement.parameters) == len(set(re.findall(r"\$\d+", statement.sql)))
    await connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_runs_on_distributed_engines_too(name: str) -> None:
    sql = STATEMENTS[name].sql.upper()
    assert not re.search(r"ADVISORY|\bLISTEN\b|\bNOTIFY\b|LOCK TABLE|\bCTID\b|\bPG_|UNLOGGED|\bTEMP\b", sql)


def test_sql_is_written_in_statements_only() -> None:
    package = Path(wutang_auth.__file__).parent
    looks_like_sql = re.compile(r"\"[^\"]*\b(SELECT .+ FROM|INSERT INTO|UPDATE .+ SET|DELETE FROM)\b", re.IGNORECASE)
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if looks_like_sql.search(path.read_text()) and path.parent.name not in ("statements", "repository", "versions")
    }
    assert found <= {"database/migrations.py"}  # Alembic's own table


async def test_parameters_are_sent_in_the_order_of_the_text(database_url: str) -> None:
    await add_user(database_url, name="Ada")
    statement = compile_statement(
        select(col(User.email), bindparam("second"), bindparam("first"))
        .where(col(User.name) == bindparam("name"), col(User.disabled_at).is_(None), literal(2) > 1)
        .limit(bindparam("most"))
    )
    database = Database(database_url)
    row = await database.fetchrow(statement, first="1", second="2", name="Ada", most=1)
    await database.close()
    assert row is not None
    assert tuple(row) == ("ada@wutang.example", "2", "1")


async def test_a_value_is_never_part_of_the_text(database_url: str) -> None:
    hostile = "'; DROP TABLE users; --"
    await add_user(database_url, name=hostile)
    database = Database(database_url)
    statement = compile_statement(select(col(User.name)).where(col(User.name) == bindparam("name")))
    assert "DROP" not in statement.sql
    row = await database.fetchrow(statement, name=hostile)
    await database.close()
    assert row is not None
    assert row[0] == hostile


def test_missing_parameter_is_named() -> None:
    statement = compile_statement(select(col(User.id)).where(col(User.name) == bindparam("name")))
    with pytest.raises(KeyError, match="name"):
        statement.arguments({})


@pytest.mark.parametrize("constant", ["'; DROP TABLE users; --", True, None])
def test_a_constant_that_is_no_number_is_refused(constant: object) -> None:
    with pytest.raises(TypeError, match="bind it as a parameter"):
        compile_statement(select(literal(constant)))
