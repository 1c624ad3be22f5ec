"""Kind 1 of the field cases, on PostgreSQL 15 as Debian has it: nobody but the owner creates tables in `public`."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from faults import cluster
from faults.cluster import NAME, Server, memory
from support.commands import Shell

pytestmark = pytest.mark.long


@pytest.fixture
async def postgres(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server of that version on loopback."""
    monkeypatch.setattr(cluster, "binaries", lambda: Path("/usr/lib/postgresql/15/bin"))
    directory = Path(mkdtemp(prefix="wutang-15-", dir=memory()))
    server = await Server.create(directory / "server")
    yield server
    await server.stop()
    shutil.rmtree(directory)


async def test_1_migrate_without_create_on_public_says_what_helps(postgres: Server) -> None:
    await postgres.execute("CREATE ROLE newcomer LOGIN PASSWORD 'secret'")
    url = f"postgresql://newcomer:secret@127.0.0.1:{postgres.port}/{NAME}"
    shell = Shell({"WUTANG_DATABASE_URL": url})
    error = (await shell("migrate")).error
    grant = "GRANT USAGE, CREATE ON SCHEMA public TO <role>"
    assert error == f"the database cannot be used: permission denied for schema public; {grant}"
    await postgres.execute(grant.replace("<role>", "newcomer"))
    assert (await shell("migrate")).said.startswith("migrated the schema from empty to ")
    assert (await shell("users list --json")).document == []


async def test_1_wrong_password_is_said_in_words(postgres: Server) -> None:
    url = f"postgresql://{NAME}:canary@127.0.0.1:{postgres.port}/{NAME}"
    error = (await Shell({"WUTANG_DATABASE_URL": url})("users list")).error
    said = f'password authentication failed for user "{NAME}"'
    assert error == f"the database cannot be used: {said}; check WUTANG_DATABASE_URL"
