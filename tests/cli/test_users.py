"""The commands for accounts."""

import asyncio
import json
import os
from pathlib import Path

import httpx
import pytest

from support.commands import PROGRAM, Outcome, Shell, run, run_apart
from support.database import change_users, fill_users, query
from support.factors import Clock, add_with_app
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import NEW_PASSWORD, add_and_log_in, add_user, log_in
from wutang_auth.database import Database
from wutang_auth.repository import UserRepository


async def create(shell: Shell, email: str = "grace@wutang.example", options: str = "") -> Outcome:
    return await shell(f"users create {email} --password-stdin {options}", stdin=f"{NEW_PASSWORD}\n")


async def test_created_user_logs_in(shell: Shell, service: Instance) -> None:
    said = (await create(shell, "Grace@WuTang.example", "--name Grace --scope users:write --scope orders:read")).said
    assert said == "created user 1, Grace@WuTang.example"
    login = await log_in(service.client, "grace@wutang.example", NEW_PASSWORD)
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert (me["name"], me["scopes"]) == ("Grace", ["orders:read", "users:write"])


async def test_document_of_a_user_is_the_api_s(shell: Shell, service: Instance) -> None:
    created = (await create(shell, options="--json")).document
    login = await log_in(service.client, "grace@wutang.example", NEW_PASSWORD)
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert list(created) == list(me)
    assert created == me
    assert (await shell("users show GRACE@wutang.example --json")).document == me
    assert (await shell("users list --json")).document == [me]


async def test_users_are_shown_as_a_table(shell: Shell) -> None:
    await create(shell, options="--name 客户 --scope orders:read")
    await create(shell, "bob@wutang.example")
    table = (await shell("users list")).said.split("\n")
    assert table[0].split() == ["id", "email", "name", "verified", "scopes", "disabled", "created"]
    assert table[1].split()[:6] == ["1", "grace@wutang.example", "客户", "-", "orders:read", "no"]
    assert len(table) == 3
    assert (await shell("users show bob@wutang.example")).said.split("\n")[1].split()[1] == "bob@wutang.example"


async def test_a_thousand_users_are_listed_each_once(shell: Shell, service: Instance) -> None:
    await fill_users(service.settings, 1234)
    ids = [user["id"] for user in (await shell("users list --json")).document]
    assert ids == list(range(1, 1235))
    assert [int(line.split()[0]) for line in (await shell("users list")).said.split("\n")[1:]] == ids


async def test_control_characters_do_not_reach_the_terminal(shell: Shell, service: Instance) -> None:
    user = await add_user(service.settings, name="\x1b[2Jname")
    await change_users(service.settings, user_id=user.id, email="\x1b]0;x\x07@wutang.example")
    assert "\x1b" not in (await shell("users list")).said


async def test_set_password_ends_the_sessions(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service)
    said = (await shell("users set-password ADA@wutang.example --password-stdin", stdin=NEW_PASSWORD)).said
    assert said == f"set the password of user {ada.user_id}, ada@wutang.example"
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    await log_in(service.client, password=NEW_PASSWORD)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "password must have at least 8 characters"),
        ("\n" + NEW_PASSWORD, "password must have at least 8 characters"),
        ("password1\n", "password is among the most used ones"),
        ("grace@wutang.example", "password must not be the e-mail address"),
        ("Grace Hopper\r\n", "password must not be the user's name"),
        ("nul\x00 seven violet umbrellas", "password has characters that no text may have"),
        (b"\xff\xfe seven violet umbrellas", "the password must be UTF-8"),
    ],
)
async def test_password_rules_hold_for_operators(shell: Shell, password: str | bytes, said: str) -> None:
    command = ["users", "create", "grace@wutang.example", "--name", "Grace Hopper", "--password-stdin"]
    stdin = password if isinstance(password, bytes) else password.encode()
    assert said in (await run(shell.environment, *command, stdin=stdin)).error
    assert (await shell("users list --json")).document == []


async def test_least_length_of_the_setting_holds(shell: Shell) -> None:
    shell.environment["WUTANG_PASSWORD_MIN_LENGTH"] = "30"
    assert "at least 30 characters" in (await create(shell)).error
    shell.environment["WUTANG_PASSWORD_MIN_LENGTH"] = "many"
    assert (await create(shell)).error.startswith("WUTANG_PASSWORD_MIN_LENGTH: ")


async def test_disable_and_enable(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service)
    assert (await shell("users disable ada@wutang.example")).said == f"disabled user {ada.user_id}, ada@wutang.example"
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    assert (await shell("users disable ada@wutang.example --json")).document["disabled"] is True
    assert (await shell("users enable ada@wutang.example --json")).document["disabled"] is False
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    await log_in(service.client)


async def test_grant_and_revoke_take_effect_at_once(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service, scopes=["orders:read"])
    said = (await shell("users grant ada@wutang.example users:read users:write orders:read")).said
    assert said == f"granted orders:read users:read users:write to user {ada.user_id}, ada@wutang.example"
    success(await service.client.get("/api/users", headers=ada.headers))
    document = (await shell("users revoke ada@wutang.example users:read unknown --json")).document
    assert document["scopes"] == ["orders:read", "users:write"]
    assert_refused(await service.client.get("/api/users", headers=ada.headers), 403, 40003)


async def test_grants_at_once_are_all_kept(service: Instance) -> None:
    ada = await add_user(service.settings, scopes=["z", "_", "a"])
    database = Database(service.settings.database_url.get_secret_value(), size=8)
    users = UserRepository(database)
    await asyncio.gather(
        users.change_scopes(ada.id, given=[], taken=["_"]),
        *(users.change_scopes(ada.id, given=[f"scope{number}"], taken=[]) for number in range(7)),
    )
    assert (await users.get(ada.id)).scopes == ["a", *(f"scope{number}" for number in range(7)), "z"]
    await database.close()


async def test_user_has_only_so_many_scopes(shell: Shell, service: Instance) -> None:
    await add_user(service.settings, scopes=[f"scope{number:02}" for number in range(32)])
    assert "a user has at most 32" in (await shell("users grant ada@wutang.example one-more")).error
    assert "a scope begins with a lower-case letter" in (await shell("users grant ada@wutang.example Read")).error
    await shell("users revoke ada@wutang.example scope00")
    await shell("users grant ada@wutang.example one-more")
    assert len((await shell("users show ada@wutang.example --json")).document["scopes"]) == 32


async def test_delete_asks_or_is_told_not_to(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service)
    error = (await shell("users delete ada@wutang.example")).error
    assert error == "no terminal to ask at; --yes does it without asking"
    success(await service.client.get("/api/auth/me", headers=ada.headers))
    denied = await run_apart(shell.environment, "users", "delete", "ada@wutang.example", answers={"[y/N]": "n"})
    assert denied.code == 1
    assert f"Delete user {ada.user_id}, ada@wutang.example, for ever?" in denied.stdout
    success(await service.client.get("/api/auth/me", headers=ada.headers))
    done = await run_apart(shell.environment, "users", "delete", "ada@wutang.example", answers={"[y/N]": "y"})
    assert done.said.count("deleted user") == 1
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    await add_user(service.settings)
    assert (await shell("users delete ada@wutang.example --yes")).said == "deleted user 2, ada@wutang.example"


async def test_password_is_asked_for_twice_and_not_shown(shell: Shell, service: Instance) -> None:
    assert (await shell("users create grace@wutang.example")).error == (
        "no terminal to ask for the password at; give it by --password-stdin"
    )
    answers = {"Password: ": NEW_PASSWORD, "Repeat for confirmation: ": NEW_PASSWORD}
    screen = (await run_apart(shell.environment, "users", "create", "grace@wutang.example", answers=answers)).said
    assert "created user 1" in screen
    assert NEW_PASSWORD not in screen
    await log_in(service.client, "grace@wutang.example", NEW_PASSWORD)


@pytest.mark.parametrize(
    "command",
    [
        "users show", "users enable", "users disable", "users delete --yes", "users set-password --password-stdin",
        "sessions list", "sessions revoke",
    ],
)  # fmt: skip
async def test_unknown_user_is_an_error_of_one_line(shell: Shell, command: str) -> None:
    group, verb, *options = command.split()
    for email, said in (
        ("nobody@wutang.example", "there is no such user"),
        ("nobody", "EMAIL must be an e-mail address"),
    ):
        line = " ".join([group, verb, email, *options])
        assert (await shell(line, stdin=NEW_PASSWORD)).error == said


async def test_taken_email_and_bad_values_are_errors_of_one_line(shell: Shell) -> None:
    await create(shell)
    assert (await create(shell, "GRACE@wutang.example")).error == "another user has this e-mail"
    assert "a scope begins with" in (await create(shell, "a@wutang.example", "--scope Users")).error
    long_name = ["users", "create", "a@wutang.example", "--name", "x" * 256, "--password-stdin"]
    assert "one line of at most 255" in (await run(shell.environment, *long_name)).error


@pytest.mark.parametrize(
    "line", ["users", "users create", "users grant a@wutang.example", "users fly", "users list --fast", "sessions list"]
)
async def test_wrong_usage_exits_with_2(shell: Shell, line: str) -> None:
    assert (await shell(line)).code == 2


async def test_without_a_database_the_error_says_what_to_do(shell: Shell, tmp_path: Path) -> None:
    shell.environment["WUTANG_DATABASE_URL"] = "postgresql://nobody:s3cret@127.0.0.1:1/nowhere"
    error = (await shell("users list")).error
    assert "cannot be reached" in error
    assert "s3cret" not in error
    shell.environment["WUTANG_DATABASE_URL"] = ""
    del shell.environment["WUTANG_DATABASE_URL"]
    error = (await shell(f"users list --data-dir {tmp_path / 'none'}")).error
    assert "set it, or run `wutang-auth dev` first" in error


BEHIND = 'the database cannot be used: relation "users" does not exist; run `wutang-auth migrate`'


async def test_schema_that_is_behind_is_said(environment: dict[str, str], service: Instance) -> None:
    await query(service.settings, "DROP TABLE users CASCADE")
    shell = Shell(environment)
    assert (await shell("users list")).error == BEHIND
    assert (await create(shell)).error == BEHIND


async def test_commands_write_the_audit_trail_where_the_service_does(environment: dict[str, str]) -> None:
    environment["WUTANG_LOG_FORMAT"] = "json"
    command = ["users", "create", "grace@wutang.example", "--password-stdin"]
    created = await run_apart(environment, *command, stdin=NEW_PASSWORD.encode())
    assert created.stdout == "created user 1, grace@wutang.example\n"
    assert json.loads(created.stderr)["event"] == "user_created"


async def test_commands_work_on_the_data_of_dev_running_or_not(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WUTANG_")}
    data_dir = tmp_path / "data"
    dev = await asyncio.create_subprocess_exec(
        *PROGRAM, "dev", "--port", "0", "--data-dir", data_dir, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            while not (data_dir / "dev.json").exists():  # noqa: ASYNC110 -- another process makes it
                await asyncio.sleep(0.05)
        base_url = json.loads((data_dir / "dev.json").read_text())["base_url"]
        command = ["users", "create", "grace@wutang.example", "--password-stdin", "--data-dir", str(data_dir)]
        while_running = await run_apart({}, *command, stdin=NEW_PASSWORD.encode())
        assert while_running.stdout == "created user 2, grace@wutang.example\n"
        async with httpx.AsyncClient(base_url=base_url, transport=httpx.AsyncHTTPTransport(retries=20)) as client:
            await log_in(client, "grace@wutang.example", NEW_PASSWORD)
    finally:
        dev.terminate()
        await asyncio.wait_for(dev.wait(), 30)
    alone = await run_apart({}, "users", "list", "--json", "--data-dir", data_dir)
    assert [user["email"] for user in json.loads(alone.stdout)] == ["demo@wutang.example", "grace@wutang.example"]


async def test_second_factors_are_shown_and_taken_away(start: Start, clock: Clock, shell: Shell) -> None:
    service = await start(**clock.settings())
    login, _ = await add_with_app(service, clock)
    found = (await shell("users factors ADA@wutang.example --json")).document
    assert found["recovery_codes"] == 8
    assert found["totp"].endswith("Z")
    assert "app added" in (await shell("users factors ada@wutang.example")).said
    assert (await shell("users factors nobody@wutang.example")).error == "there is no such user"
    said = (await shell("users reset-factors ada@wutang.example")).said
    assert said == f"took the second factors from user {login.user_id}, ada@wutang.example"
    assert (await shell("users factors ada@wutang.example --json")).document == {"totp": None, "recovery_codes": 0}
    assert (await service.client.get("/api/auth/me", headers=login.headers)).status_code == 401
    await log_in(service.client)
