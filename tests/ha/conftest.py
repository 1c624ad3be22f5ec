"""The stage, and the table of what the faults did."""

import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from faults.clients import Load
from faults.cluster import memory
from ha.stage import HEAD, Row, Stage, staged

_ROW = "high availability"
MEASURED = "high availability measured"


@pytest.fixture(scope="session")
def shared_memory() -> Iterator[Path]:
    """A directory in memory: otherwise the seconds of a fault would be those of the disk."""
    directory = Path(mkdtemp(prefix="wutang-ha-", dir=memory()))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def stage(shared_memory: Path) -> AsyncIterator[Stage]:
    """The cluster, the instances, HAProxy and nginx: one set for all scenarios, since Patroni takes its time."""
    directory = Path(mkdtemp(dir=shared_memory))
    async with staged(directory) as stage:
        yield stage


Report = Callable[[str, Load, float], None]


@pytest.fixture
def report(stage: Stage, record_property: Callable[[str, object], None]) -> Report:
    """Judge what the visitors saw, write the scenario's line of the table, and fail if a rule was broken."""
    thefts = stage.thefts()

    def report(scenario: str, load: Load, began: float) -> None:
        row = Row.of(scenario, load, began, stage.thefts() - thefts)
        record_property(_ROW, json.dumps(list(row.cells())))
        assert row.verdict.forgotten == []
        assert row.verdict.wrongly_accepted == []
        assert row.verdict.otherwise_wrong == []
        assert row.thefts == 0
        assert row.answered > 0

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, as docs/high-availability.md has it."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    properties = [property_ for report in reports for property_ in report.user_properties]
    rows = [json.loads(value) for name, value in properties if name == _ROW]
    if rows:
        terminalreporter.section("high availability")
        for cells in (HEAD, ["---"] * len(HEAD), *rows):
            terminalreporter.line(f"| {' | '.join(cells)} |")
    for name, value in properties:
        if name == MEASURED:
            terminalreporter.line(value)
