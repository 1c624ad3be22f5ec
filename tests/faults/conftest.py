"""The stage of the faults, and the table of what they did."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from faults.clients import Load
from faults.cluster import Server, memory
from faults.history import judge
from faults.stage import EMAILS, GRACE, Report, SetStage, Stage, staged
from support.users import add_user
from wutang_auth.database import migrations

_ROW = "fault"
_HEAD = [
    "fault", "acknowledged", "refused", "unknown", "forgotten", "wrongly accepted", "otherwise wrong",
    "slowest answer", "recovered after",
]  # fmt: skip


@pytest.fixture(scope="session")
def shared_memory() -> Iterator[Path]:
    """A directory for clusters, in memory: otherwise the seconds of a fault would be those of the disk."""
    directory = Path(mkdtemp(prefix="wutang-faults-", dir=memory()))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
async def template(shared_memory: Path) -> Server:
    """A stopped cluster with the schema and the visitors, to be copied."""
    server = await Server.create(shared_memory / "template")
    await asyncio.to_thread(migrations.upgrade, server.url())
    for email in EMAILS:
        await add_user(server.url(), email)
    await server.stop()
    return server


@pytest.fixture
async def stage(template: Server, shared_memory: Path) -> AsyncIterator[SetStage]:
    """Set the stage: `await stage(with_standby=True)`."""
    directory = Path(mkdtemp(dir=shared_memory))
    async with AsyncExitStack() as stack:

        async def set_up(**arguments: Any) -> Stage:
            return await stack.enter_async_context(staged(template, directory, **arguments))

        yield set_up
    shutil.rmtree(directory)


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Judge what the visitors saw, write the fault's line of the table, and fail if a rule was broken."""

    def report(fault: str, load: Load, recovered: float | None = None, *, grace: float = GRACE) -> None:
        verdict = judge(load.operations, grace=grace)
        row = [
            fault, verdict.acknowledged, verdict.refused, verdict.unknown, len(verdict.forgotten),
            len(verdict.wrongly_accepted), len(verdict.otherwise_wrong), f"{load.slowest(0):.2f} s",
            "–" if recovered is None else f"{recovered:.2f} s",
        ]  # fmt: skip
        record_property(_ROW, json.dumps(row))
        assert verdict.forgotten == []
        assert verdict.wrongly_accepted == []
        assert verdict.otherwise_wrong == []
        assert verdict.acknowledged > 0

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, one line a fault, and what else was measured."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    properties = [property_ for report in reports for property_ in report.user_properties]
    rows = [[str(cell) for cell in json.loads(value)] for name, value in properties if name == _ROW]
    if rows:
        terminalreporter.section("faults")
        widths = [max(len(row[number]) for row in [_HEAD, *rows]) for number in range(len(_HEAD))]
        for row in [_HEAD, *rows]:
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            terminalreporter.line("  ".join([row[0].ljust(widths[0]), *cells[1:]]))
    for name, value in properties:
        if name == "measured":
            terminalreporter.line(str(value))
