"""Which settings commands read, and from where."""

import json
from pathlib import Path

import pytest

from support.commands import Shell, run_apart

TYPO = "wutang-auth: warning: WUTANG_ISUER is no setting; did you mean WUTANG_ISSUER?\n"


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in, with no .env so far."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["users list", "sessions prune", "migrate", "keys list"])
async def test_command_takes_all_from_dotenv(command: str, environment: dict[str, str], work_dir: Path) -> None:
    settings = {name: value for name, value in environment.items() if name.startswith("WUTANG_")}
    (work_dir / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    assert (await Shell({})(command)).code == 0
    (work_dir / ".env").write_text("".join(f"{name}=\n" for name in settings))
    assert (await Shell({})(command)).code == 1


async def test_command_takes_the_database_from_a_file(environment: dict[str, str], work_dir: Path) -> None:
    (work_dir / "url").write_text(environment["WUTANG_DATABASE_URL"] + "\n")
    assert (await Shell({"WUTANG_DATABASE_URL_FILE": "url"})("users list --json")).document == []
    error = (await Shell({"WUTANG_DATABASE_URL_FILE": "none"})("users list")).error
    assert error == "WUTANG_DATABASE_URL_FILE: the file none cannot be read: No such file or directory"


@pytest.mark.parametrize("command", ["users list", "sessions prune", "migrate --check", "keys list"])
async def test_command_warns_of_a_name_that_is_no_setting(command: str, environment: dict[str, str]) -> None:
    shell = Shell({**environment, "WUTANG_ISUER": "x", "WUTANG_TEST_ANYTHING": "x"})
    outcome = await shell(command)
    assert (outcome.code, outcome.stderr) == (0, TYPO)


async def test_warning_comes_before_the_error_that_it_explains(work_dir: Path) -> None:
    outcome = await Shell({"WUTANG_DATABASE_URL_FIL": "x", "WUTANG_LOG_LEVEL": "loud"})(f"keys list --file {work_dir}")
    assert outcome.code == 1
    assert outcome.stderr == (
        "wutang-auth: warning: WUTANG_DATABASE_URL_FIL is no setting; did you mean WUTANG_DATABASE_URL_FILE?\n"
        "wutang-auth: WUTANG_LOG_LEVEL: input should be 'debug', 'info', 'warning' or 'error'\n"
    )


async def test_warning_is_a_line_of_the_log_where_there_is_one(environment: dict[str, str]) -> None:
    outcome = await run_apart({**environment, "WUTANG_ISUER": "x", "WUTANG_LOG_FORMAT": "json"}, "users", "list")
    [line] = outcome.stderr.splitlines()
    assert json.loads(line)["message"] == "WUTANG_ISUER is no setting; did you mean WUTANG_ISSUER?"


@pytest.mark.parametrize("command", ["users list", "sessions prune", "users export", "migrate"])
async def test_command_keeps_the_time_limits_of_the_database(command: str, environment: dict[str, str]) -> None:
    late = Shell({**environment, "WUTANG_DB_CONNECT_TIMEOUT": "0.000001"})
    assert "no answer in time" in (await late(command)).error
    refused = Shell({**environment, "WUTANG_DB_CONNECT_TIMEOUT": "canary"})
    assert (await refused(command)).error.startswith("WUTANG_DB_CONNECT_TIMEOUT: ")


@pytest.mark.parametrize("command", ["users list", "sessions prune", "migrate --check"])
async def test_command_works_without_prepared_statements(command: str, environment: dict[str, str]) -> None:
    assert (await Shell({**environment, "WUTANG_DB_PREPARED_STATEMENTS": "Off"})(command)).code == 0


async def test_schema_is_made_without_prepared_statements(empty_database_url: str) -> None:
    shell = Shell({"WUTANG_DATABASE_URL": empty_database_url, "WUTANG_DB_PREPARED_STATEMENTS": "false"})
    assert (await shell("migrate")).said.startswith("migrated the schema from empty to ")
    assert (await shell("migrate --check")).said.startswith("the schema is at head")


async def test_command_does_not_read_what_does_not_concern_it(environment: dict[str, str]) -> None:
    shell = Shell({**environment, "WUTANG_ACCESS_TTL": "canary", "WUTANG_THROTTLE_MAX_WAIT": "canary"})
    assert (await shell("users list --json")).document == []
    assert (await shell("keys list")).code == 0
    assert (await shell("keys drop x")).error.startswith("WUTANG_ACCESS_TTL: ")
