"""Every SQL statement of the program, against the real schema."""

import ast
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

import wutang_auth
from support.users import add_user
from wutang_auth import repository
from wutang_auth.database import Database, Statement
from wutang_auth.repository import AttemptRepository, SessionRepository
from wutang_auth.repository.distribution import SPREAD, Distribution
from wutang_auth.repository.examination import ExaminationRepository
from wutang_auth.repository.legacy import LegacyRepository
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.takeover import RevokedTokens, Takeover, TakeoverRepository
from wutang_auth.repository.user_import import Import
from wutang_auth.repository.users.endings import Endings

PACKAGE = Path(wutang_auth.__file__).parent
OF_COMMANDS = [Import, Takeover, RevokedTokens, ExaminationRepository]
CLASSES = [
    *OF_COMMANDS,
    Distribution,
    Endings,
    LegacyCut,
    LegacyRepository,
    TakeoverRepository,
    *(thing for thing in vars(repository).values() if isinstance(thing, type)),
]
STATEMENTS = {
    statement.name: statement
    for owner in CLASSES
    for statement in vars(owner).values()
    if isinstance(statement, Statement)
}
MAKING = [Import.CREATE, Takeover.COMPARE, RevokedTokens.CREATE]
"""Statements that make temporary tables, on which others work."""
OF_REQUESTS = [name for name in STATEMENTS if not name.startswith(tuple(f"{owner.__name__}." for owner in OF_COMMANDS))]
OF_SPREAD_TABLES = [name for name in STATEMENTS if not name.startswith("AttemptRepository.")]
KEYS = dict(re.findall(r"create_distributed_table\('(\w+)', '(\w+)'", " ".join(SPREAD)))
"""The tables that can be spread over several servers, and the column by which."""
ASKS_ALL_SERVERS = {
    "CredentialRepository.FIND_UNCLAIMED": "is not used there",
    "CredentialRepository.SAMPLE_HASHES": "at the start",
    "LegacyCut.SET_MANY": "a command",
    "MailTokenRepository.OWNER": "the sender of mails, not a request",
    "SessionRepository.END_MANY": "a command",
    "SessionRepository.PRUNE": "in the background",
    "SessionRepository.PRUNE_SPREAD": "in the background",
    "SessionRepository.READ_MANY": "is not used there",
    "SessionRepository.READ_MANY_WITH_PROOF": "is not used there",
    "TakeoverRepository.STATUS": "a command",
    "UserRepository.EXPORT": "a command",
    "UserRepository.FIND": "for operators",
    "UserRepository.LIST": "for operators",
    "UserRepository.LIST_EMAIL": "for operators",
    "UserRepository.LIST_IDS": "a command",
}


def test_there_are_statements() -> None:
    assert {
        "CredentialRepository.FIND", "SessionRepository.ROTATE", "AttemptRepository.ADMIT",
        "SchemaRepository.REVISION", "EmailRepository.CLAIM", "Import.INSERT",
    } <= STATEMENTS.keys()  # fmt: skip


def test_no_statement_is_left_out() -> None:
    names = [module.name for module in pkgutil.walk_packages(repository.__path__, "wutang_auth.repository.")]
    found = {
        statement.name
        for name in names
        for owner in vars(import_module(name)).values()
        if isinstance(owner, type)
        for statement in vars(owner).values()
        if isinstance(statement, Statement)
    }
    assert found == STATEMENTS.keys()


@pytest.mark.parametrize("module", ["wutang_auth.main", "wutang_auth.server.process", "wutang_auth.cli.serve"])
def test_service_runs_without_what_only_migrations_need(module: str) -> None:
    found = f"import sys, {module}; print(*{{'sqlalchemy', 'sqlmodel', 'alembic'}} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", found], text=True).strip() == ""


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_is_understood_with_its_parameters(name: str, untouched_database_url: str) -> None:
    statement = STATEMENTS[name]
    connection = await asyncpg.connect(untouched_database_url)
    if name not in OF_REQUESTS:
        for making in MAKING[: MAKING.index(statement) if statement in MAKING else None]:
            await connection.execute(making.sql.replace("ON COMMIT DROP", ""))
    prepared = await connection.prepare(statement.sql)
    assert len(prepared.get_parameters()) == len(statement.parameters) == len(set(re.findall(r"\$\d+", statement.sql)))
    await connection.close()


@pytest.mark.parametrize("name", OF_REQUESTS)
def test_statement_runs_on_distributed_engines_too(name: str) -> None:
    sql = STATEMENTS[name].sql.upper()
    assert not re.search(r"ADVISORY|\bLISTEN\b|\bNOTIFY\b|LOCK TABLE|\bCTID\b|\bPG_|UNLOGGED|\bTEMP\b|BYTEA\[\]", sql)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_common_table_expression_is_materialized(name: str) -> None:
    """Distributed engines send one command then, instead of a plan with subplans."""
    assert not re.search(r"\bAS \(\s*SELECT\b", STATEMENTS[name].sql)


@pytest.mark.parametrize("name", OF_SPREAD_TABLES)
def test_time_is_not_asked_for_where_distributed_engines_refuse_it(name: str) -> None:
    """In CASE, COALESCE, RETURNING and DO UPDATE SET of tables that are spread over nodes; `attempts` is on one."""
    assert times_in_refused_places(STATEMENTS[name].sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CASE WHEN a THEN now() END",
        "SELECT coalesce(a, (b + now()))",
        "INSERT INTO t VALUES (1) RETURNING a > clock_timestamp()",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = now()",
        "SELECT CASE WHEN a THEN CASE WHEN b THEN 1 END ELSE now() END",
        "WITH c AS (DELETE FROM t RETURNING a, (b > now()))",
    ],
)
def test_time_in_a_refused_place_is_found(sql: str) -> None:
    assert times_in_refused_places(sql)
    assert not times_in_refused_places(sql.replace("now()", "clock.t").replace("clock_timestamp()", "clock.t"))


def times_in_refused_places(sql: str) -> list[str]:
    """The innermost refused place of each time, by a look at words and parentheses."""
    found = []
    open_places: list[str] = []
    tail, depth = "", 0
    tokens = re.findall(r"now\(\)|clock_timestamp\(\)|DO UPDATE SET|\w+|[()]", sql, re.IGNORECASE)
    for before, token in zip(["", *tokens], tokens, strict=False):
        word = token.upper()
        if word == "CASE" or token == "(":
            open_places.append("COALESCE" if token == "(" and before.upper() == "COALESCE" else word)
        elif word == "END" or token == ")":
            open_places.pop()
            tail = tail if len(open_places) >= depth else ""
        elif word in ("RETURNING", "DO UPDATE SET"):
            tail, depth = word, len(open_places)
        elif word in ("NOW()", "CLOCK_TIMESTAMP()"):
            found += [place for place in (tail, *open_places) if place not in ("", "(")][-1:]
    return found


@pytest.mark.parametrize("name", OF_SPREAD_TABLES)
def test_no_time_is_shifted_in_an_update_where_distributed_engines_refuse_it(name: str) -> None:
    """A time of a column and an interval: the sum depends on the time zone, so it is not immutable."""
    assert shifted_times(STATEMENTS[name].sql) == []


def test_a_time_that_is_shifted_in_an_update_is_found() -> None:
    assert shifted_times("UPDATE sessions SET a = clock.t + $1::interval") == ["clock.t +"]
    assert shifted_times("UPDATE users SET a = 1 WHERE created_at - interval '1 day' < now()") == ["created_at -"]
    assert shifted_times("UPDATE sessions SET a = now() + $1::interval RETURNING clock.t - b") == []
    assert shifted_times("SELECT clock.t + $1::interval FROM users FOR UPDATE") == []


def shifted_times(sql: str) -> list[str]:
    """The columns of times to which an interval is added in an UPDATE of a table that can be spread."""
    updates = re.findall(rf"\bUPDATE (?:{'|'.join(KEYS)})\b(.*?)(?:\bRETURNING\b|\Z)", sql, re.DOTALL)
    column = r"\b(?:\w+\.)?(?:t|\w+_(?:at|until)) [+-](?= (?:\$\d+::interval|interval ))"
    return [found for update in updates for found in re.findall(column, update)]


@pytest.mark.parametrize("name", OF_REQUESTS)
def test_each_table_that_can_be_spread_is_asked_by_its_key(name: str) -> None:
    """So that one server has the rows, and the others need not be there; but for those that are named with a reason."""
    assert bool(without_key(STATEMENTS[name].sql)) == (name in ASKS_ALL_SERVERS)


def without_key(sql: str) -> list[str]:
    """The tables that can be spread and are looked at, or changed, without their key being given or joined."""
    looked_at = re.findall(rf"\b(?:UPDATE|FROM|JOIN|USING) ({'|'.join(KEYS)})\b", sql)
    if not any(re.search(rf"\b{KEYS[table]} = \$\d", sql) for table in looked_at):
        return looked_at
    return [table for table in looked_at if not re.search(rf"\b{KEYS[table]} = (?:\$\d|\w+\.(?:user_id|id)\b)", sql)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_that_ends_sessions_revokes_them(name: str) -> None:
    """Those past their lifetime have no live token."""
    if "DELETE FROM sessions" in STATEMENTS[name].sql and not name.startswith("SessionRepository.PRUNE"):
        assert "INSERT INTO revocations" in STATEMENTS[name].sql


@pytest.mark.parametrize("name", [name for name in STATEMENTS if ".PRUNE" in name])
def test_pruning_waits_for_nobody_where_that_can_be_said(name: str) -> None:
    """A request that deletes the same rows in another order would wait for it in a circle."""
    assert ("FOR UPDATE SKIP LOCKED" in STATEMENTS[name].sql) == (not name.endswith("_SPREAD"))


def test_sql_is_written_in_repositories_only() -> None:
    """All of it in statements; Alembic's own table is looked at before there is a schema."""
    looks_like_sql = re.compile(r"\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.+\bSET\b|\bDELETE FROM\b", re.DOTALL)
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and looks_like_sql.search(text.value)
    }
    assert {path for path in found if not path.startswith(("repository/", "alembic/"))} == {
        "database/migrations.py", "database/migration_locks.py",
    }  # fmt: skip


def test_no_statement_stands_outside_of_the_class_that_runs_it() -> None:
    """What a function made while it serves would be prepared again each time."""
    made = {id(statement) for statement in STATEMENTS.values()}
    elsewhere = {
        name
        for module in list(sys.modules.values())
        if module.__name__.startswith("wutang_auth.")
        for name, thing in vars(module).items()
        if isinstance(thing, Statement) and id(thing) not in made
    }
    assert elsewhere == set()


async def test_statement_of_one_name_in_two_places_has_one_number(database_url: str) -> None:
    await add_user(database_url, name="Ada")
    statement = Statement("""
        SELECT email, $second::text, $first::text
        FROM users
        WHERE name = $name AND $first <> $second
        LIMIT $limit
    """)
    assert statement.sql.startswith(
        "SELECT email, $1::text, $2::text\nFROM users\nWHERE name = $3 AND $2 <> $1\nLIMIT $4"
    )
    assert statement.parameters == ("second", "first", "name", "limit")
    database = Database(database_url)
    row = await database.fetchrow(statement, first="1", second="2", name="Ada", limit=1)
    await database.close()
    assert row is not None
    assert tuple(row) == ("ada@wutang.example", "2", "1")


async def test_a_value_is_never_part_of_the_text(database_url: str) -> None:
    hostile = "'; DROP TABLE users; -- $name"
    await add_user(database_url, name=hostile)
    database = Database(database_url)
    row = await database.fetchrow(Statement("SELECT name FROM users WHERE name = $name"), name=hostile)
    await database.close()
    assert row is not None
    assert row["name"] == hostile


@pytest.mark.parametrize("given", [{}, {"nam": 1}, {"name": 1, "other": 2}, {"other": 2}])
def test_missing_or_unknown_parameter_is_an_error(given: dict[str, object]) -> None:
    class Repository:
        FIND = Statement("SELECT id FROM users WHERE name = $name")

    with pytest.raises(TypeError, match=re.escape(f"Repository.FIND takes ['name'], not {sorted(given)}")):
        Repository.FIND.arguments(given)


def test_parameter_with_a_number_for_its_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"named, not numbered: \$1"):
        Statement("SELECT $1")


def test_statement_is_called_by_its_owner() -> None:
    assert SessionRepository.READ.name == "SessionRepository.READ"
    assert repr(AttemptRepository.ADMIT) == "<AttemptRepository.ADMIT>"
