"""Kind 2 of the field cases: a setting that commands do not read, or that has no effect.

Origins, empty values, letter case, files of secrets and the CPU quota are in tests/test_settings.py.
"""

from pathlib import Path

import pytest

from support.commands import Shell, run_apart
from support.database import query

KEY_COMMANDS = ["list", "rotate", "retire x", "drop x"]


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in, with no .env so far."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_2_dotenv_with_the_key_ring_is_read_by_all_commands(work_dir: Path) -> None:
    (work_dir / ".env").write_text("WUTANG_KEYS_FILE=ring.json\n")
    shell = Shell({})
    assert (await shell("keys generate")).said.startswith("wrote ring.json: ")
    [active, following] = (await shell("keys list --json")).document
    assert (active["state"], following["state"]) == ("active", "next")
    assert (await shell("keys rotate --force")).said.startswith(f"{following['kid']} signs")
    assert (await shell(f"keys drop --force -- {active['kid']}")).said == f"dropped {active['kid']}"


@pytest.mark.parametrize("command", ["keys drop x", "serve --port 0"])
@pytest.mark.parametrize("where", ["environment", ".env"])
async def test_2_negative_lifetime_is_refused_by_all_that_load_it(
    command: str, where: str, environment: dict[str, str], work_dir: Path
) -> None:
    given = {"WUTANG_REFRESH_TTL": "-5"} if where == "environment" else {}
    (work_dir / ".env").write_text("" if given else "WUTANG_REFRESH_TTL=-5\n")
    error = (await Shell({**environment, **given})(command)).error
    assert error == "WUTANG_REFRESH_TTL: input should be greater than or equal to 1"


@pytest.mark.parametrize("command", [*(f"keys {command}" for command in KEY_COMMANDS), "serve --port 0"])
async def test_2_line_about_the_key_ring_names_the_setting(command: str, environment: dict[str, str]) -> None:
    shell = Shell({**environment, "WUTANG_KEYS_FILE": "/nonexistent/keys.json"})
    said = "WUTANG_KEYS_FILE: the key ring /nonexistent/keys.json does not exist; make one with"
    assert (await shell(command)).error.startswith(said)


async def test_2_line_about_a_file_of_an_option_names_no_setting(environment: dict[str, str]) -> None:
    error = (await Shell(environment)("keys list --file /nonexistent/keys.json")).error
    assert error.startswith("the key ring /nonexistent/keys.json does not exist")


@pytest.mark.parametrize("command", ["users list", "users export", "sessions prune", "migrate", "migrate --check"])
async def test_2_database_command_reads_its_settings_from_dotenv(
    command: str, environment: dict[str, str], work_dir: Path
) -> None:
    settings = {
        "WUTANG_DATABASE_URL": environment["WUTANG_DATABASE_URL"],
        "WUTANG_DB_PREPARED_STATEMENTS": "canary",
    }
    (work_dir / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    assert (await Shell({})(command)).error.startswith("WUTANG_DB_PREPARED_STATEMENTS: ")


async def test_2_pooler_that_takes_no_prepared_statements_is_named(
    database_url: str, environment: dict[str, str]
) -> None:
    """As PgBouncer before 1.21 in transaction mode: 26000, on whatever."""
    await query(
        database_url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'prepared statement \"x\" does not exist' USING ERRCODE = '26000'; END $$",
    )
    await query(database_url, "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse()")
    done = await run_apart(
        environment, "users", "create", "a@shop.example", "--password-stdin", stdin=b"a horse of somebody\n"
    )
    assert done.error.startswith(
        'the database cannot be used: prepared statement "x" does not exist; set WUTANG_DB_PREPARED_STATEMENTS=false'
    )
