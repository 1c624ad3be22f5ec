"""`wutang-auth migrate --distribute`, and the service on tables that it has spread, by a stand-in for the extension."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlmodel import SQLModel

import wutang_auth.models  # noqa: F401 -- fills the metadata
from support.citus import spread_tables, stand_in, wrong_references
from support.commands import Shell, run
from support.database import add_sessions, query
from support.http import assert_refused, success
from support.mail import waiting_mails
from support.services import Start
from support.users import CREDENTIALS, NEW_PASSWORD, PASSWORD, add_user, log_in, me
from wutang_auth.database import REVISION, Database, Statement
from wutang_auth.repository import CredentialRepository, SessionRepository
from wutang_auth.repository.distribution import SPREAD

PAGE = (Path(__file__).parents[2] / "docs" / "distributed.md").read_text("utf-8")
BESIDE = {"beside `users`": "users", "–": "default"}
"""What the page says, and how the extension is told."""


class Recorder(Database):
    """A database that notes which statements it runs."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.names: list[str] = []

    async def fetch(self, statement: Statement, **parameters: Any) -> list[asyncpg.Record]:
        self.names.append(statement.name)
        return await super().fetch(statement, **parameters)


async def distribute(url: str) -> str:
    """What the command says once the database has the extension."""
    return (await run({"WUTANG_DATABASE_URL": url}, "migrate", "--distribute")).said


@pytest.fixture
async def spread_url(database_url: str) -> str:
    """The database of this test, with its tables spread."""
    await stand_in(database_url)
    await distribute(database_url)
    return database_url


async def test_tables_are_spread_once(empty_database_url: str) -> None:
    await stand_in(empty_database_url)
    assert (await distribute(empty_database_url)).splitlines() == [
        f"migrated the schema from empty to {REVISION}",
        "spread the tables over the servers of the cluster; start every instance again",
    ]
    spread = await spread_tables(empty_database_url)
    assert await wrong_references(empty_database_url) == []
    assert (await distribute(empty_database_url)).splitlines() == [
        f"the schema is at head ({REVISION})",
        "the tables are spread over the servers of the cluster already; nothing to do",
    ]
    assert await spread_tables(empty_database_url) == spread


async def test_page_says_of_every_table_where_it_is(spread_url: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`|on the coordinator) \| (.+) \|$", PAGE, re.MULTILINE)
    assert {name for name, *_ in rows} == {*SQLModel.metadata.tables, "alembic_version"}
    told = {name: (key, BESIDE[why.partition(":")[0]]) for name, key, why in rows if key}
    assert told == await spread_tables(spread_url)


def test_page_has_every_statement() -> None:
    assert [statement for statement in SPREAD if f"    {statement};\n" not in PAGE] == []


async def test_database_without_the_extension_is_one_line_and_stays_as_it_is(database_url: str) -> None:
    outcome = await run({"WUTANG_DATABASE_URL": database_url}, "migrate", "--distribute")
    assert outcome.code == 1
    assert outcome.stderr == (
        "wutang-auth: the database cannot be used: it has not the extension citus, which spreads tables over several"
        " servers; docs/distributed.md says how to set that up\n"
    )
    [[is_unique]] = await query(database_url, "SELECT to_regclass('users_canonical_email_key') IS NOT NULL")
    assert is_unique


async def test_what_the_extension_refuses_is_one_line_and_changes_nothing(database_url: str) -> None:
    await stand_in(database_url)
    await query(database_url, "CREATE UNIQUE INDEX of_somebody ON emails (user_id)")
    outcome = await run({"WUTANG_DATABASE_URL": database_url}, "migrate", "--distribute")
    assert outcome.stderr == (
        'wutang-auth: the database cannot be used: Citus refuses: cannot create constraint on "emails"\n'
    )
    assert await spread_tables(database_url) == {}
    [[is_unique]] = await query(database_url, "SELECT to_regclass('users_canonical_email_key') IS NOT NULL")
    assert is_unique


async def test_checking_and_distributing_is_wrong_usage(database_url: str) -> None:
    outcome = await run({"WUTANG_DATABASE_URL": database_url}, "migrate", "--distribute", "--check")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--check changes nothing" in outcome.stderr


@pytest.mark.parametrize("is_spread", [False, True])
async def test_each_session_is_read_by_itself_where_they_are_spread_and_the_log_says_so_once(
    is_spread: bool, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await stand_in(database_url)
    if is_spread:
        await distribute(database_url)
    user = await add_user(database_url)
    session_ids = await add_sessions(database_url, user.id, 20)
    database = Recorder(database_url)
    sessions = SessionRepository(database, grouped_reads=True)
    for _ in range(2):
        found = await asyncio.gather(*(sessions.read(user.id, session_id) for session_id in session_ids))
        assert None not in found
    await database.close()
    assert ("SessionRepository.READ_MANY" in database.names) != is_spread
    lines = [record.getMessage() for record in caplog.records if record.name == "wutang_auth.repository.sessions"]
    assert [line.partition(":")[0] for line in lines] == ["the sessions are spread over several servers"] * is_spread


async def test_an_unknown_address_costs_what_a_known_one_costs_and_never_asks_all_servers(spread_url: str) -> None:
    await add_user(spread_url)
    database = Recorder(spread_url)
    credentials = CredentialRepository(database)
    asked = []
    for email in ("first@wutang.example", "ada@wutang.example", "nobody@wutang.example"):
        database.names.clear()
        found = await credentials.find(email)
        assert (found is not None) == email.startswith("ada")
        asked.append(list(database.names))
    await database.close()
    assert asked[1] == asked[2] == ["EmailRepository.OWNER", "CredentialRepository.FIND"]


async def test_service_works_on_spread_tables(spread_url: str, start: Start) -> None:
    await add_user(spread_url)
    service = await start(sessions_per_user=1)
    first, second = [await log_in(service.client) for _ in range(2)]
    assert_refused(await me(service, first), 401, 40001)
    success(await me(service, second))
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    success(await service.client.put("/api/auth/password", json=body, headers=second.headers))
    refreshed = success(await service.client.put("/api/auth/refresh", headers=second.headers))
    headers = {"Authorization": f"Bearer {refreshed['access_token']}"}
    success(await service.client.delete("/api/auth/logout", headers=headers))
    assert_refused(await service.client.get("/api/auth/me", headers=headers), 401, 40001)
    assert_refused(await service.client.post("/api/auth/login", json=CREDENTIALS), 401, 10003)


async def test_nothing_of_a_deleted_user_is_left_where_no_foreign_key_sees_to_it(spread_url: str) -> None:
    ada = await add_user(spread_url)
    shell = Shell({
        "WUTANG_DATABASE_URL": spread_url,
        "WUTANG_SMTP_URL": "smtp://localhost",
        "WUTANG_MAIL_FROM": "no-reply@shop.example",
        "WUTANG_PUBLIC_URL": "https://shop.example",
    })  # fmt: skip
    assert (await shell("users send-reset ada@wutang.example")).code == 0
    assert await waiting_mails(spread_url) == ["reset"]
    columns = "digest, purpose, user_id, email, canonical_email, expires_at"
    values = "'x', 'email_undo', $1, 'ada@wutang.example', 'ada@wutang.example', now() + interval '1 day'"
    await query(spread_url, f"INSERT INTO mail_tokens ({columns}) VALUES ({values})", ada.id)
    assert (await shell("users delete ada@wutang.example --yes")).code == 0
    assert await waiting_mails(spread_url) == []
    assert await query(spread_url, "SELECT FROM mail_tokens") == []
