"""Kind 1 of the field cases: PostgreSQL refuses in a way that nobody foresaw."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from support.commands import PROGRAM, Shell, run_apart
from support.database import SERVER, administer, as_role, query, roles_of, with_database
from support.http import assert_refused, success
from support.legacy import legacy_environment, legacy_token, take_over
from support.services import Instance, Start
from support.users import CREDENTIALS, add_user
from wutang_auth.database import REVISION
from wutang_auth.repository.schema import NEEDED
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

PRIVILEGES = (Path(__file__).parents[2] / "docs" / "privileges.md").read_text("utf-8")
HASH = "$2y$10$jDk7V8GvvPmuQdRTrWn7tuDpsCI8ic7jBzCJDF/tAX60HsTgLsTjK"


async def ready(service: Instance) -> tuple[int, str | None]:
    response = await service.client.get("/readyz")
    return response.status_code, response.json().get("reason")


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the database."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("wutang_auth.database")]


# -- the database is not fit


@asynccontextmanager
async def latin1() -> AsyncIterator[str]:
    name = f"wutang_test_{uuid4().hex[:12]}"
    await administer(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    yield with_database(os.environ[SERVER], name)
    await administer(f"DROP DATABASE {name} WITH (FORCE)")


async def test_1_database_made_as_latin1_is_refused_in_one_line(start: Start, environment: dict[str, str]) -> None:
    said = "the database cannot be used: the database has the encoding LATIN1 and cannot hold every name; make it again"
    async with latin1() as url:
        for command in ("migrate", "migrate --check", "users list"):
            assert (await Shell({"WUTANG_DATABASE_URL": url})(command)).error.startswith(said)
        started = await run_apart({**environment, "WUTANG_DATABASE_URL": url}, "serve", "--port", "0")
        assert started.error.startswith(said)
        service = await start(database_url=SecretStr(url))
        assert await ready(service) == (503, "the database's encoding is not UTF8")
        assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 503, 50001)


async def test_1_isolation_level_that_the_statements_are_not_made_for_is_refused(
    start: Start, database_url: str, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    await administer(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    said = "the database cannot be used: transactions begin with the isolation level serializable, not read committed; "
    assert (await Shell({"WUTANG_DATABASE_URL": database_url})("migrate")).error.startswith(said)
    assert (await run_apart(environment, "serve", "--port", "0")).error.startswith(said)
    service = await start()
    assert await ready(service) == (503, "default_transaction_isolation is not read committed")
    assert await ready(service) == (503, "default_transaction_isolation is not read committed")
    assert len(lines_of(caplog)) == 1


# -- a role that may not


async def test_1_role_with_some_tables_only_is_503_with_a_reason_that_is_logged_once(
    start: Start, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await add_user(database_url)
    async with roles_of(database_url, "clerk") as roles:
        role = roles["clerk"]
        others = ", ".join({table for table, _ in NEEDED} - {"alembic_version", "attempts"})
        await query(database_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {others} TO {role}")
        service = await start(database_url=SecretStr(as_role(database_url, role)))
        caplog.clear()
        for _ in range(3):
            assert await ready(service) == (503, "permission denied for table alembic_version")
            assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 503, 50001)
        grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON"
        assert sorted(lines_of(caplog)) == [
            f"the database cannot be used: permission denied for table {table}; {grant} {table} TO <role>"
            for table in ("alembic_version", "attempts")
        ]
        await query(database_url, f"GRANT SELECT ON alembic_version TO {role}")
        await query(database_url, f"GRANT SELECT, UPDATE ON attempts TO {role}")
        missing = "permission denied: INSERT on attempts, DELETE on attempts"
        assert await ready(service) == (503, missing)
        assert await ready(service) == (503, missing)
        await query(database_url, f"GRANT INSERT, DELETE ON attempts TO {role}")
        assert await ready(service) == (200, None)
        success(await service.client.post("/api/auth/login", json=CREDENTIALS))
        assert (
            sorted(line.partition(":")[0] for line in lines_of(caplog))
            == ["over"] * 3 + ["the database cannot be used"] * 3
        )


async def test_1_migrate_without_create_on_the_schema_is_one_line_with_the_grant(empty_database_url: str) -> None:
    async with roles_of(empty_database_url, "newcomer") as roles:
        url = as_role(empty_database_url, roles["newcomer"])
        error = (await Shell({"WUTANG_DATABASE_URL": url})("migrate")).error
        assert error == (
            "the database cannot be used: permission denied for schema public;"
            " GRANT USAGE, CREATE ON SCHEMA public TO <role>"
        )


async def test_1_import_without_a_privilege_is_one_line_with_the_grant(database_url: str, tmp_path: Path) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    (tmp_path / "users.csv").write_text(f"id,email,password_hash\n7,ada@shop.example,{HASH}\n")
    async with roles_of(database_url, "importer") as roles:
        shell = Shell({"WUTANG_DATABASE_URL": as_role(database_url, roles["importer"])})
        line = f"users import {tmp_path / 'users.csv'}"
        await query(database_url, f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        refused = f'permission denied to create temporary tables in database "{name}"; GRANT TEMPORARY ON DATABASE'
        assert (await shell(line)).error == f'the database cannot be used: {refused} "{name}" TO <role>'
        await query(database_url, f"GRANT TEMPORARY ON DATABASE {name} TO {roles['importer']}")
        assert "permission denied for sequence users_id_seq; GRANT" in (await shell(line)).error
        await query(database_url, f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE users_id_seq TO {roles['importer']}")
        for table, privileges in (("emails", "SELECT, INSERT, DELETE"), ("users", "SELECT, INSERT")):
            assert f"permission denied for table {table}; GRANT" in (await shell(line)).error
            await query(database_url, f"GRANT {privileges} ON {table} TO {roles['importer']}")
        assert (await shell(line)).said.startswith("created 1 of 1 users")


async def test_1_roles_of_the_page_may_run_what_it_says(empty_database_url: str, tmp_path: Path) -> None:
    before, after = re.findall(r"^```sql\n(.*?)^```$", PRIVILEGES, re.MULTILINE | re.DOTALL)
    mark = uuid4().hex[:8]
    before, after = (re.sub(r"\bwutang_(\w+)", rf"wutang_\1_{mark}", text) for text in (before, after))
    roles = dict(re.findall(r"CREATE ROLE (wutang_(\w+?)_\w+)", before))
    roles = {name: role for role, name in roles.items()}
    shells = {name: Shell({"WUTANG_DATABASE_URL": as_role(empty_database_url, role)}) for name, role in roles.items()}
    for statement in before.split(";\n"):
        await query(empty_database_url, statement)
    try:
        assert (await shells["owner"]("migrate")).said == f"migrated the schema from empty to {REVISION}"
        for statement in after.split(";\n"):
            await query(as_role(empty_database_url, roles["owner"]), statement)
        (tmp_path / "users.csv").write_text(f"id,email,password_hash\n4711,ada@shop.example,{HASH}\n")
        assert (await shells["import"](f"users import {tmp_path / 'users.csv'}")).said.startswith("created 1 of 1")
        password = "a-password-of-somebody\n"
        for line, stdin in (
            ("migrate --check", ""),
            ("users create bo@shop.example --password-stdin", password),
            ("users list", ""),
            ("users show bo@shop.example", ""),
            ("users export", ""),
            ("users set-password bo@shop.example --password-stdin", password),
            ("users disable bo@shop.example", ""),
            ("users enable bo@shop.example", ""),
            ("users grant bo@shop.example a:b", ""),
            ("users revoke bo@shop.example a:b", ""),
            ("sessions list bo@shop.example", ""),
            ("sessions revoke bo@shop.example", ""),
            ("sessions prune", ""),
            ("users delete bo@shop.example --yes", ""),
        ):
            outcome = await shells["service"](line, stdin=stdin)
            assert (outcome.code, outcome.stderr) == (0, ""), line
    finally:
        for role in reversed(roles.values()):
            await query(empty_database_url, f"DROP OWNED BY {role} CASCADE")
            await administer(f"DROP ROLE {role}")


LINES = {
    "migrate --check": "migrate --check",
    "users create": "users create new@shop.example --password-stdin",
    "users list": "users list",
    "users invite": "users invite eve@shop.example",
    "users send-reset": "users send-reset ada@wutang.example",
    "mails list": "mails list",
    "mails retry": "mails retry",
    "mails drop": "mails drop --yes",
    "users show": "users show ada@wutang.example",
    "users export": "users export",
    "users set-password": "users set-password ada@wutang.example --password-stdin",
    "users disable": "users disable ada@wutang.example",
    "users enable": "users enable ada@wutang.example",
    "users grant": "users grant ada@wutang.example a:b",
    "users revoke": "users revoke ada@wutang.example a:b",
    "users change-email": "users change-email 1 eve@shop.example",
    "users delete": "users delete ada@wutang.example --yes",
    "users factors": "users factors ada@wutang.example",
    "users reset-factors": "users reset-factors ada@wutang.example",
    "keys reencrypt": "keys reencrypt --file {keys}",
    "keys drop": "keys drop {retired} --file {keys}",
    "users import": "users import {file}",
    "takeover users": "takeover users --from {file}",
    "takeover revocations": "takeover revocations --from {directory}",
    "takeover status": "takeover status",
    "takeover check": "takeover check {token}",
    "sessions list": "sessions list ada@wutang.example",
    "sessions revoke": "sessions revoke ada@wutang.example",
    "sessions prune": "sessions prune",
}
MAIL = {
    "WUTANG_SMTP_URL": "smtp://localhost",
    "WUTANG_MAIL_FROM": "no-reply@shop.example",
    "WUTANG_PUBLIC_URL": "https://shop.example",
}
ROWS = {
    command: privileges
    for commands, privileges in re.findall(r"^\| (`.*?) \| (.*) \|$", PRIVILEGES, re.MULTILINE)
    for command in re.findall("`([^`]+)`", commands)
}


def _ring(path: Path) -> dict[str, object]:
    """A key ring with keys that encrypt, of which one is retired."""
    ring = KeyRing.generate().with_encryption().with_rotated_encryption(datetime.now(UTC), force=True)
    key_file.save(ring, path)
    return {"keys": path, "retired": ring.encryption[0].kid}


def test_1_every_command_that_needs_a_role_has_a_row() -> None:
    assert ROWS.keys() == {*LINES, "migrate", "serve"}


@pytest.mark.parametrize("command", LINES)
async def test_1_command_needs_no_more_than_the_page_says(command: str, database_url: str, tmp_path: Path) -> None:
    user = await add_user(database_url, scopes=["a:b"])
    await take_over(database_url, user.id)
    (tmp_path / "users.csv").write_text(f"id,email,password_hash\n4711,bo@shop.example,{HASH}\n")
    async with roles_of(database_url, "clerk") as roles:
        for privileges, objects in re.findall(r"([A-Z, ]+) on ((?:`\w+`(?:, )?)+)", ROWS[command]):
            for name in re.findall(r"\w+", objects):
                what = f"SEQUENCE {name}" if name.endswith("_seq") else name
                await query(database_url, f"GRANT {privileges} ON {what} TO {roles['clerk']}")
        shell = Shell({"WUTANG_DATABASE_URL": as_role(database_url, roles["clerk"])} | MAIL | legacy_environment())
        files = {"file": tmp_path / "users.csv", "directory": tmp_path, **_ring(tmp_path / "keys.json")}
        line = LINES[command].format(**files, token=legacy_token(user.id))
        outcome = await shell(line, stdin="a-password-of-somebody\n")
        assert (outcome.code, outcome.stderr) == (0, "")


async def test_1_role_of_the_page_may_serve(start: Start, database_url: str) -> None:
    [_, after] = re.findall(r"^```sql\n(.*?)^```$", PRIVILEGES, re.MULTILINE | re.DOTALL)
    await add_user(database_url)
    async with roles_of(database_url, "wutang_service", "wutang_import") as roles:
        for name, role in roles.items():
            after = re.sub(rf"\b{name}\b", role, after)
        for statement in after.split(";\n"):
            await query(database_url, statement)
        service = await start(database_url=SecretStr(as_role(database_url, roles["wutang_service"])))
        assert await ready(service) == (200, None)
        login = success(await service.client.post("/api/auth/login", json=CREDENTIALS))
        bearer = {"Authorization": f"Bearer {login['refresh_token']}"}
        success(await service.client.put("/api/auth/refresh", headers=bearer))
        success(await service.client.delete("/api/auth/logout", headers=bearer))


async def test_1_table_that_only_a_transaction_needs_is_logged_once_too(
    start: Start, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with roles_of(database_url, "clerk") as roles:
        role = roles["clerk"]
        changed = "users, sessions, attempts, revocations"
        await query(database_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {changed} TO {role}")
        await query(database_url, f"GRANT SELECT ON emails TO {role}")
        await add_user(database_url, scopes=["users:read", "users:write"])
        service = await start(database_url=SecretStr(as_role(database_url, role)))
        login = success(await service.client.post("/api/auth/login", json=CREDENTIALS))
        caplog.clear()
        for _ in range(2):
            answer = await service.client.post(
                "/api/users",
                json={"email": "bo@shop.example", "password": "a horse of ours"},
                headers={"Authorization": f"Bearer {login['access_token']}"},
            )
            assert_refused(answer, 503, 50001)
        assert [line.partition(";")[0] for line in lines_of(caplog)] == [
            "the database cannot be used: permission denied for table emails"
        ]


# -- what is not there


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: with_database(url, "nowhere"), 'database "nowhere" does not exist; check WUTANG_DATABASE_URL'),
        (lambda url: as_role(url, "nobody"), 'role "nobody" does not exist; check WUTANG_DATABASE_URL'),
        (lambda url: f"{url}&options=-c%20nothing%3D1", 'unrecognized configuration parameter "nothing"; check WUTANG'),
        (lambda url: f"{url}&options=-c%20work_mem%3Dcanary", "a value that PostgreSQL cannot take (SQLSTATE 22023)"),
        (lambda url: f"{url}&role=nobody", "(SQLSTATE 22023); check WUTANG_DATABASE_URL"),
        (lambda _: "postgresql://u:canary@nowhere.invalid/d", "the host's name is not known"),
        (lambda _: "postgresql://u:canary@127.0.0.1:1/d", "Connection refused"),
        (lambda _: f"postgresql://u:canary@{'a' * 64}.invalid/d", "the connection cannot be configured; check WUTANG"),
        (lambda _: "postgresql://u:canary@/d?host=/nowhere", "a socket, certificate or key: No such file or directory"),
    ],
)
async def test_1_what_is_wrong_is_said_in_words(
    change: Callable[[str], str], said: str, database_url: str, start: Start
) -> None:
    url = change(database_url)
    for command in ("migrate", "users list"):
        error = (await Shell({"WUTANG_DATABASE_URL": url})(command)).error
        assert said in error
        assert "canary" not in error
        assert not re.search(r"\w(Error|Exception)\b", error)
    service = await start(database_url=SecretStr(url))
    status, reason = await ready(service)
    assert (status, bool(reason)) == (503, True)
    assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 503, 50001)


async def test_1_what_a_command_did_not_foresee_is_one_line(database_url: str) -> None:
    """As with a trigger of somebody's own, whose message may hold anything."""
    await query(
        database_url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'canary'; END $$",
    )
    await query(database_url, "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse()")
    shell = Shell({"WUTANG_DATABASE_URL": database_url})
    error = (await shell("users create a@shop.example --password-stdin", stdin="a-password-of-somebody\n")).error
    assert error == "the database refuses: a function or trigger raised an error (SQLSTATE P0001)"


async def test_1_schema_that_is_behind_is_one_line(empty_database_url: str) -> None:
    error = (await Shell({"WUTANG_DATABASE_URL": empty_database_url})("users list")).error
    assert error == 'the database cannot be used: relation "users" does not exist; run `wutang-auth migrate`'


# -- somebody else's home


WITHOUT_PRIVILEGES = f"""
import ctypes, os, sys
for capability in (1, 2):  # by which root reads what is closed to it (capabilities(7)); PR_CAPBSET_DROP is 24
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", {PROGRAM[-1]!r}, *sys.argv[1:]])
"""


@pytest.mark.parametrize("mode", ["prefer", "require"])
async def test_1_home_of_somebody_else_is_not_looked_into(
    mode: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """As in an image whose HOME is /root, run as another user."""
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    url = f"postgresql://u@127.0.0.1:{listening.sockets[0].getsockname()[1]}/d?sslmode={mode}"
    home = tmp_path / "home"
    home.mkdir(mode=0)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WITHOUT_PRIVILEGES, "users", "list"],
        env={**environment, "HOME": str(home), "WUTANG_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    home.chmod(0o700)
    listening.close()
    assert "Permission denied" not in done.stderr
    assert done.stderr.startswith("wutang-auth: the database cannot be reached (")
