"""A publisher and a verifier that follows it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from support.publishing import AskedAgain, Follow, Publisher, eventually, publishing
from wutang_auth_verifier import Verifier


def pytest_itemcollected(item: pytest.Item) -> None:
    """Measure no coverage: that of the service is not these tests' to show."""
    item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing(Publisher()) as publisher:
        yield publisher


@pytest.fixture
def follow(publisher: Publisher) -> Iterator[Follow]:
    """Start a verifier; it asks twenty times a second."""
    with ExitStack() as stack:

        def follow(**changes: Any) -> Verifier:
            given = {"issuer": "wutang-auth", "audience": "wutang", "poll_seconds": 0.05, **changes}
            return stack.enter_context(Verifier(publisher.base_url, **given))

        yield follow


@pytest.fixture
def verifier(follow: Follow) -> Verifier:
    return follow()


@pytest.fixture
def asked_again(publisher: Publisher) -> AskedAgain:
    """Return once the verifier has asked all of it after now: the fifth request says that two turns are over."""

    def wait() -> None:
        seen = len(publisher.asked)
        eventually(lambda: len(publisher.asked) >= seen + 5)

    return wait
