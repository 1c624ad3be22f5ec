"""The programs of a takeover."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from takeover.programs import MariaDb, mariadb, redis


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """For what programs write; its name is short, as paths of sockets must be."""
    directory = Path(mkdtemp(prefix="wutang-takeover-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def shop(directory: Path) -> AsyncIterator[MariaDb]:
    """The application's database."""
    place = Path(mkdtemp(dir=directory))
    async with mariadb(place) as server:
        server.make_tables()
        yield server


@pytest.fixture
async def redis_url(directory: Path) -> AsyncIterator[str]:
    """A cache store."""
    async with redis(Path(mkdtemp(dir=directory))) as url:
        yield url
