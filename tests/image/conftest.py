"""The image that `make image` has built, and a PostgreSQL for its containers."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from faults.cluster import free_port
from image.stage import Image, Stage
from wutang_auth.embedded import EmbeddedPostgres

_NAMES = ("WUTANG_TEST_ENGINE", "WUTANG_TEST_IMAGE", "WUTANG_TEST_BASE")


@pytest.fixture(scope="module")
def image() -> Image:
    """The image of this run."""
    assert all(name in os.environ for name in _NAMES), "`make image` builds the image and names it"
    engine, name, base = (os.environ[name] for name in _NAMES)
    return Image(engine, name, base, tuple(os.environ.get("WUTANG_TEST_RUN", "").split()))


@pytest.fixture(scope="module")
def stage(image: Image) -> Iterator[Stage]:
    """A database that listens on this machine's own address, for as long as the tests run, and an empty volume."""
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
    volume = f"wutang-test-{uuid4().hex[:12]}"
    with (
        tempfile.TemporaryDirectory(prefix="wutang-image-") as directory,
        EmbeddedPostgres(Path(directory), durable=False, settings=settings) as postgres,
    ):
        url = re.sub(r"@[^/]*/(\w+).*", rf"@127.0.0.1:{port}/\1", postgres.url())
        image.command("volume", "create", volume)
        yield Stage(image, volume, url, free_port())
        image.command("volume", "rm", "--force", volume)
