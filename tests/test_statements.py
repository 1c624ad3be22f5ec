"""Every SQL statement of the program, against the real schema."""

import inspect
import re
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import bindparam, select
from sqlmodel import col

import wutang_auth
from support import add_user
from wutang_auth import repository
from wutang_auth.database import Database, Statement
from wutang_auth.models import User

REPOSITORIES = [
    found for _, found in inspect.getmembers(repository, inspect.isclass) if found.__name__.endswith("Repository")
]
STATEMENTS = {
    f"{owner.__name__}.{name}": statement
    for owner in REPOSITORIES
    for name, statement in vars(owner).items()
    if isinstance(statement, Statement)
}


def test_there_are_statements() -> None:
    assert {"SessionRepository._ROTATE", "SessionRepository._END", "UserRepository._CREDENTIALS"} <= STATEMENTS.keys()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_is_understood_with_its_parameters(name: str, database_url: str) -> None:
    statement = STATEMENTS[name]
    connection = await asyncpg.connect(database_url)
    prepared = await connection.prepare(statement.sql)
    assert len(prepared.get_parameters()) == len(statement._names) == len(set(re.findall(r"\$\d+", statement.sql)))
    await connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_runs_on_distributed_engines_too(name: str) -> None:
    sql = STATEMENTS[name].sql.upper()
    assert not re.search(r"ADVISORY|\bLISTEN\b|\bNOTIFY\b|LOCK TABLE|\bCTID\b|\bPG_|UNLOGGED|\bTEMP\b", sql)


def test_sql_is_written_in_repositories_only() -> None:
    package = Path(wutang_auth.__file__).parent
    looks_like_sql = re.compile(r"\"[^\"]*\b(SELECT .+ FROM|INSERT INTO|UPDATE .+ SET|DELETE FROM)\b", re.IGNORECASE)
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if looks_like_sql.search(path.read_text()) and path.parent.name not in ("repository", "versions")
    }
    assert found <= {"migrations.py"}  # Alembic's own table


async def test_parameters_are_sent_in_the_order_of_the_text(database_url: str) -> None:
    await add_user(database_url, name="Ada")
    statement = Statement(
        select(col(User.email), bindparam("second"), bindparam("first"))
        .where(col(User.name) == bindparam("name"), col(User.disabled_at).is_(None), bindparam("first") != "x")
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
    statement = Statement(select(col(User.name)).where(col(User.name) == bindparam("name")))
    assert "DROP" not in statement.sql
    row = await database.fetchrow(statement, name=hostile)
    await database.close()
    assert row is not None
    assert row[0] == hostile


def test_missing_parameter_is_named() -> None:
    statement = Statement(select(col(User.id)).where(col(User.name) == bindparam("name")))
    with pytest.raises(KeyError, match="name"):
        statement.arguments({})
