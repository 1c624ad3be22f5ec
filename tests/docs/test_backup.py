"""docs/backup.md, carried out: a dump, what happens since, a restore, what lives again, what the steps make of it."""

import asyncio
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.commands import Shell
from support.database import query
from support.http import assert_refused, success
from support.revocations import listed
from support.services import Instance, running
from support.tokens import bearer
from support.users import NEW_PASSWORD, PASSWORD, Login, add_and_log_in, log_in, me, token_pair
from wutang_auth.embedded.programs import binary_directories
from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

PAGE = (Path(__file__).parents[2] / "docs" / "backup.md").read_text("utf-8")
COMMANDS = re.findall(r"^ {7}wutang-auth (.+)$", PAGE, re.MULTILINE)
[DUMP, RESTORE] = re.findall(r"^ {4}(pg_\w+ .+)$", PAGE, re.MULTILINE)
[SET_SEQUENCE] = re.findall(r"^ *```sql\n *(.*?)\n *```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """With a key ring of this test's own, since the steps replace it."""
    key_file.save(KeyRing.generate(), tmp_path / "keys.json")
    return settings.model_copy(update={"keys_file": tmp_path / "keys.json"})


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same for commands."""
    return environment | {"WUTANG_KEYS_FILE": str(tmp_path / "keys.json")}


async def run(line: str, environment: dict[str, str], directory: Path) -> None:
    """A line of the page for PostgreSQL's programs."""
    programs = next(path for path in binary_directories() if os.access(path / "pg_restore", os.X_OK))
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", line], cwd=directory, capture_output=True, text=True,
        env=environment | {"PATH": f"{programs}:{os.environ['PATH']}"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@dataclass
class Past:
    """What people had before the dump, and since."""

    logged_out: Login
    old_password: Login
    disabled: Login
    refreshed: Login
    refreshed_since: Login
    began_since: Login
    made_since: int
    """The id of a user."""


async def refresh(service: Instance, token: str) -> httpx.Response:
    return await service.client.put("/api/auth/refresh", headers=bearer(token))


async def live(service: Instance, shell: Shell, directory: Path) -> Past:
    """A dump, and what happens after it."""
    ada, bob, carl, dora = [
        await add_and_log_in(service, f"{name}@wutang.example") for name in ("ada", "bob", "carl", "dora")
    ]
    await run(DUMP, shell.environment, directory)
    success(await service.client.delete("/api/auth/logout", headers=ada.headers))
    assert (await shell("users set-password bob@wutang.example --password-stdin", stdin=NEW_PASSWORD)).code == 0
    assert (await shell("users disable carl@wutang.example")).code == 0
    refreshed = token_pair(await refresh(service, dora.refresh_token))
    began = await log_in(service.client, "dora@wutang.example")
    made = (await shell("users create eve@wutang.example --password-stdin --json", stdin=PASSWORD)).document["id"]
    for over in (ada, bob, carl):
        assert_refused(await me(service, over), 401, 40001)
    success(await me(service, refreshed))
    return Past(ada, bob, carl, dora, refreshed, began, made)


async def newcomer(shell: Shell) -> int:
    """The id of a new user."""
    created = await shell("users create frank@wutang.example --password-stdin --json", stdin=PASSWORD)
    user_id: int = created.document["id"]
    return user_id


def test_the_page_has_its_steps() -> None:
    assert COMMANDS == ["sessions revoke --all", "mails drop --yes", "keys generate --force"]


async def test_restore_brings_back_what_was_over_and_the_steps_end_it(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    shell = Shell(environment)
    async with running(settings) as service:
        past = await live(service, shell, tmp_path)
    came_back = [past.logged_out, past.old_password, past.disabled, past.refreshed]

    await run(RESTORE, environment, tmp_path)
    async with running(settings) as service:
        for login in came_back:
            success(await me(service, login))
        for login in (past.refreshed_since, past.began_since):
            assert_refused(await me(service, login), 401, 40001)
        await log_in(service.client, "bob@wutang.example", PASSWORD)
        await log_in(service.client, "carl@wutang.example")
        assert await newcomer(shell) == past.made_since  # who has an id of another person

    await run(RESTORE, environment, tmp_path)
    for command in COMMANDS[:-1]:
        assert (await shell(command)).code == 0
    await query(settings, SET_SEQUENCE.replace("4711", str(past.made_since)))
    async with running(settings) as service:
        for login in [*came_back, past.refreshed_since, past.began_since]:
            assert_refused(await me(service, login), 401, 40001)
            assert_refused(await refresh(service, login.refresh_token), 401, 40001)
        assert {login.session_id for login in came_back} <= (await listed(service.client)).sessions
        assert await newcomer(shell) == past.made_since + 1
        success(await me(service, await log_in(service.client, "dora@wutang.example")))

    before = _key_ids(settings)
    assert (await shell(COMMANDS[-1])).code == 0
    async with running(settings) as service:
        keys = (await service.client.get("/.well-known/jwks.json")).json()["keys"]
        assert before.isdisjoint(key["kid"] for key in keys)  # so nobody takes a token of before


def _key_ids(settings: Settings) -> set[str]:
    return {key.kid for key in key_file.load(settings.keys_file).keys}


async def test_sequence_of_ids_never_goes_back(database_url: str, shell: Shell) -> None:
    await query(database_url, SET_SEQUENCE)
    assert await newcomer(shell) == 4712
    await query(database_url, SET_SEQUENCE.replace("4711", "3"))
    created = await shell("users create grace@wutang.example --password-stdin --json", stdin=PASSWORD)
    assert created.document["id"] == 4713
