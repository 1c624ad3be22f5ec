"""docs/first-hour.md: its commands run as they stand there, and print what it shows."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ha.conftest import MEASURED
from ha.programs import ROOT, Program, Site, end_postgresql

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

SECONDS = 240.0
PAGE = (ROOT / "docs" / "first-hour.md").read_text("utf-8")
BLOCK = re.compile(r"^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
"""Commands, and what is shown below them."""
MARK = "-- the end of block"


def script(blocks: list[tuple[str, str]]) -> str:
    """All of the commands; a line after each block says that it has ended."""
    return "set -eu\n" + "".join(
        f"{commands}echo; echo '{MARK} {number}'\n" for number, (commands, _) in enumerate(blocks)
    )


def shown(expected: str) -> re.Pattern[str]:
    """What is shown on the page, where `…` stands for anything or nothing, and spaces for spaces."""
    literal = re.sub(r"(\\ |\\\n)+", r"\\s+", re.escape(expected.strip()))
    return re.compile(re.sub(r"(\\s\+)?…(\\s\+)?", ".*?", literal), re.DOTALL)


async def test_every_command_of_the_page(shared_memory: Path, record_property: Callable[[str, object], None]) -> None:
    blocks = BLOCK.findall(PAGE)
    checkout = Path(mkdtemp(dir=shared_memory))
    site = Site(checkout)
    for folder in ("high-availability", "monitoring"):
        site.copy(folder, checkout / "deploy" / folder)
    text = site.moved(script(blocks))
    (checkout / "script.sh").write_text(text, "utf-8")
    site.hand_over()
    began = time.monotonic()
    bash = await site.start("output", "bash", "script.sh")
    try:
        async with asyncio.timeout(SECONDS):
            code = await bash.process.wait()
    finally:
        await _end(bash, checkout / "first-hour")
    output = bash.log.read_text()
    assert code == 0, output[-3000:]
    for number, (_, expected) in enumerate(blocks):
        printed, mark, output = output.partition(f"{MARK} {number}\n")
        assert mark
        assert shown(site.moved(expected)).search(printed), f"{printed}\nis not what the page shows:\n{expected}"
    record_property(MEASURED, f"docs/first-hour.md, all of its commands: {time.monotonic() - began:.0f} s")


async def _end(bash: Program, directory: Path) -> None:
    """End what the commands started, where they did not do it themselves."""
    with suppress(ProcessLookupError):
        os.killpg(bash.process.pid, signal.SIGTERM)
        await asyncio.sleep(2)
    await bash.stop()
    for node in ("one", "two"):
        await end_postgresql(directory / node)
