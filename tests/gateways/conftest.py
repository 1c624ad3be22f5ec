"""The parts of the stage, and the table of what held at which gateway."""

from collections.abc import AsyncIterator, Iterator

import pytest

from gateways.orders import Orders, orders
from gateways.programs import KINDS
from gateways.stage import Gateway, Service, started_gateway, started_service


@pytest.fixture(scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with started_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="session")
def protected() -> Iterator[Orders]:
    with orders() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    request: pytest.FixtureRequest, service: Service, protected: Orders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway that the test is run with."""
    with started_gateway(request.param, service, protected, tmp_path_factory.mktemp(request.param)) as gateway:
        yield gateway


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what held, a line for each case and a column for each gateway."""
    shown = {"passed": "yes", "failed": "NO", "error": "NO"}
    cells: dict[tuple[str, str], str] = {}
    lines: dict[str, tuple[str, int | None]] = {}
    for outcome, word in shown.items():
        for report in terminalreporter.stats.get(outcome, []):
            path, line, test = report.location
            case, _, gateway = test.removesuffix("]").partition("[")
            if path.startswith("tests/gateways/") and gateway:
                cells[case, gateway] = word
                lines[case] = path, line
    if not cells:
        return
    terminalreporter.section("gateways")
    gateways = [gateway for gateway in KINDS if any(gateway == shown_at for _, shown_at in cells)]
    width = max(map(len, lines))
    terminalreporter.line(" ".join(["".ljust(width), *gateways]))
    for case in sorted(lines, key=lambda case: lines[case]):
        found = [cells.get((case, gateway), "").ljust(len(gateway)) for gateway in gateways]
        words = case.removeprefix("test_").replace("_", " ").ljust(width)
        terminalreporter.line(" ".join([words, *found]).rstrip())
