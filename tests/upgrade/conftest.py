"""The table of what upgrades and rollbacks refused."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it, a line for each way."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    rows = [str(value) for report in reports for name, value in report.user_properties if name == "upgrade"]
    if rows:
        terminalreporter.section("upgrades")
        for row in rows:
            terminalreporter.line(row)
