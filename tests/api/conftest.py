"""Both ways to a route: directly, and FastAPI's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.services import Instance, Start, running, serve_by_fastapi, shared_among_tests
from wutang_auth.settings import Settings

_BOTH_WAYS = ("test_login", "test_refresh", "test_me", "test_verify", "test_envelope")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of what is served directly once more, through FastAPI."""
    if "is_direct" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in _BOTH_WAYS:
        metafunc.parametrize("is_direct", [True, False], ids=["direct", "fastapi"], scope="module")


@pytest.fixture(scope="session")
def is_direct() -> bool:
    """Whether direct routes are served directly."""
    return True


@pytest.fixture(scope="module")
async def shared_service(keys_file: Path, is_direct: bool) -> AsyncIterator[Instance]:
    """A service for the tests of a file that change nothing in it."""
    async with shared_among_tests(keys_file) as instance:
        if not is_direct:
            serve_by_fastapi(instance)
        yield instance


@pytest.fixture
async def service(start: Start) -> Instance:
    """A service on this test's database."""
    return await start()


@pytest.fixture
async def start(settings: Settings, is_direct: bool) -> AsyncIterator[Start]:
    """Start more services on this test's database, with other settings if given: `await start(refresh_grace=0)`."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Instance:
            instance = await stack.enter_async_context(running(settings.model_copy(update=changes)))
            if not is_direct:
                serve_by_fastapi(instance)
            return instance

        yield start
