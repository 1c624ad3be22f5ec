"""One PostgreSQL for the run, one database for each test."""

import asyncio
import fcntl
import gc
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.commands import Shell
from support.database import SERVER, TEMPLATE, administer, kept_connections, temporary_database, with_database
from support.factors import Clock, stopped_clock
from support.mail import Mailbox
from support.services import Instance, environment_of, running, shared_among_tests
from wutang_auth.database import migrations
from wutang_auth.embedded import EmbeddedPostgres
from wutang_auth.service.maintenance import Intervals
from wutang_auth.settings import Settings, load
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

_GIVEN = "WUTANG_TEST_DATABASE_URL"
_PREFIX = "wutang-test-"


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL once, before pytest-xdist's workers, which find it in the environment."""
    for name in [name for name in os.environ if name.startswith("WUTANG_") and not name.startswith("WUTANG_TEST_")]:
        del os.environ[name]  # the developer's own settings are not the tests'
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    how = ""
    if _GIVEN in os.environ:
        os.environ[SERVER] = os.environ[_GIVEN]
    else:
        directory = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_memory())
        postgres = EmbeddedPostgres(Path(directory.name), durable=False, settings={"max_connections": "400"})
        postgres.start()
        config.add_cleanup(directory.cleanup)
        config.add_cleanup(postgres.stop)
        os.environ[SERVER] = postgres.url()
        how = " STRATEGY file_copy"  # by way of the log it takes twice the processor time
    template = f"wutang_test_{uuid4().hex[:12]}"
    asyncio.run(administer(f"CREATE DATABASE {template}"))
    config.add_cleanup(lambda: asyncio.run(administer(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")))
    migrations.upgrade(with_database(os.environ[SERVER], template))
    os.environ[TEMPLATE] = f"{template}{how}"


def _memory() -> str | None:
    """A directory that is kept in memory, where there is one with room: a database is made there ten times as fast."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        return None
    for left in memory.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    return str(memory) if shutil.disk_usage(memory).free > 2 * 2**30 else None


def _remove_if_left(directory: Path) -> None:
    """Remove what a killed run left, since memory is not disk."""
    with suppress(OSError), (directory / "postgres.lock").open() as lock:
        if time.time() - directory.stat().st_ctime > 60:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error while any process of its server lives
            shutil.rmtree(directory)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measure no coverage by examples that chance has chosen: tests/uncovered.md says why."""
    if hasattr(getattr(item, "obj", None), "hypothesis"):
        item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave out the tests, which live as long as the run."""
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what this run leaves out; pytest-xdist does not count it."""
    return (
        "without the tests marked `long`: `make faults`, `make takeover` and `make upgrade` run them"
        if config.option.markexpr == "not long"
        else None
    )


@pytest.fixture(scope="session", autouse=True)
async def administration() -> AsyncIterator[None]:
    """Connections to the PostgreSQL server of this run, kept for all tests."""
    async with kept_connections(os.environ[SERVER]):
        yield


@pytest.fixture
def server_url() -> str:
    """The PostgreSQL server of this run."""
    return os.environ[SERVER]


@pytest.fixture
async def database_url() -> AsyncIterator[str]:
    """A database of this test's own, migrated and empty."""
    async with temporary_database() as url:
        yield url


@pytest.fixture(scope="session")
async def untouched_database_url() -> AsyncIterator[str]:
    """A database for all tests that change nothing in it, migrated and empty."""
    async with temporary_database() as url:
        yield url


@pytest.fixture
async def empty_database_url() -> AsyncIterator[str]:
    """A database of this test's own without any schema."""
    async with temporary_database(migrated=False) as url:
        yield url


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key ring of this run's own, which can encrypt second factors."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    key_file.save(KeyRing.generate().with_encryption(), path)
    return path


@pytest.fixture
def settings(database_url: str, keys_file: Path) -> Settings:
    """What a service on this test's database is started with."""
    return load(
        Settings, _env_file=None, database_url=database_url, keys_file=keys_file, drain_seconds=0, hash_workers=2
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Instance]:
    """A service on this test's database."""
    async with running(settings) as instance:
        yield instance


@pytest.fixture(scope="module")
async def shared_service(keys_file: Path) -> AsyncIterator[Instance]:
    """A service for the tests of a file that change nothing in it."""
    async with shared_among_tests(keys_file) as instance:
        yield instance


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Callable[..., Awaitable[Instance]]]:
    """Start more services on this test's database, with other settings if given: `await start(refresh_grace=0)`."""
    async with AsyncExitStack() as stack:

        async def start(*, intervals: Intervals = Intervals(), **changes: Any) -> Instance:
            changed = settings.model_copy(update=changes)
            return await stack.enter_async_context(running(changed, intervals=intervals))

        yield start


@pytest.fixture
async def clock(settings: Settings) -> Clock:
    """The clock of this test's database, stopped for services that are started with its settings."""
    return await stopped_clock(settings)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    """Where the mails of this test's services go, if they are started with its settings."""
    return Mailbox(tmp_path / "mails")


@pytest.fixture
def environment(database_url: str, keys_file: Path) -> dict[str, str]:
    """The environment for commands and servers in processes of their own."""
    return environment_of(database_url, keys_file)


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    """Runs commands on this test's database."""
    return Shell(environment)
