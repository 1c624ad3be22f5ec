"""Alerts, dashboard and pages name what there is: each metric, each label, each event, each alert."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from wutang_auth.audit import REASONS, Event, OwnReason
from wutang_auth.observability.metrics import Metrics, Sources
from wutang_auth.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
LOGGING = (ROOT / "docs" / "logging.md").read_text("utf-8")
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
QUERIES = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
]
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_A_TARGET = {"job", "instance", "le"}


async def _mails() -> tuple[int, float]:
    return 1, 2.0


@pytest.fixture
async def metrics() -> dict[str, set[str]]:
    """The labels of each series that a worker shows, with mail on, and after one request."""
    metrics = Metrics(version="1.0", revision="0001")
    metrics.observers()
    metrics.observe_request("GET", "/api/auth/me", 200, 0.001)
    for outcome in ("hashed", "matched", "unmatched"):
        observers = metrics.observers()
        assert observers.hashes is not None
        observers.hashes.finished(outcome, 0.02)
    metrics.read(
        Sources(
            hash_queue=lambda: 0,
            connections=lambda: {("requests", "idle"): 1},
            key_ages=lambda: {("active", "sig"): 1.0},
            mails=_mails,
        )
    )
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:{(.*)})? ", (await metrics.exposition()).decode(), re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def selectors(query: str) -> Iterator[tuple[str, str]]:
    """Each metric in a query, with what stands in its braces."""
    yield from re.findall(r"\b((?:wutang|http_server|process)_\w+|up)\b(?:{([^}]*)})?", query)


@pytest.mark.parametrize("query", QUERIES)
def test_every_metric_and_label_of_a_query_exists(query: str, metrics: dict[str, set[str]]) -> None:
    known = metrics | OF_PROMETHEUS
    found = list(selectors(query))
    assert found
    labels = OF_A_TARGET.union(*(known[name] for name, _ in found))
    for name, braces in found:
        assert set(re.findall(r'(\w+)=~?"', braces)) <= known[name] | OF_A_TARGET
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= labels


@pytest.mark.parametrize("query", QUERIES)
def test_every_event_reason_and_job_of_a_query_exists(query: str) -> None:
    events = {event for found in re.findall(r'event=~?"([^"]+)"', query) for event in found.split("|")}
    assert events <= set(get_args(Event))
    assert set(re.findall(r'job="([^"]+)"', query)) <= {"wutang-auth"}
    assert query.count("(") == query.count(")")
    for name, braces in selectors(query):
        assert ('job="wutang-auth"' in braces) == (not name.startswith("wutang_"))


def test_every_metric_is_on_the_page_and_nothing_else_is(metrics: dict[str, set[str]]) -> None:
    rows = re.findall(r"^\| (`(?:wutang|http)_[^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    documented = {
        name: set(re.findall(r"`(\w+)`(?=,|:|;|$| )", re.sub(r": [^;]*", "", labels)))
        for names, labels in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    shown = {
        re.sub(r"(?<=seconds)_(?:bucket|sum|count)$", "", name): labels - {"le"} for name, labels in metrics.items()
    }
    assert documented == {
        name: labels for name, labels in shown.items() if not name.startswith(("process_", "python_"))
    }


def test_every_metric_is_on_the_dashboard(metrics: dict[str, set[str]]) -> None:
    used = {name for query in QUERIES for name, _ in selectors(query)}
    shown = {name for name in metrics if name.startswith(("wutang_", "http_"))}
    assert {name for name in shown if not name.endswith(("_bucket", "_sum", "_count"))} <= used
    assert {name.rpartition("_")[0] for name in shown - used} <= {name.rpartition("_")[0] for name in used}


def test_every_alert_has_what_it_needs_and_its_part_of_the_runbook() -> None:
    names = [rule["alert"] for rule in ALERTS]
    parts = re.split(r"^## (\w+)\n", RUNBOOK, flags=re.MULTILINE)[1:]
    assert parts[::2] == names
    for rule, part in zip(ALERTS, parts[1::2], strict=True):
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
        assert "| cause | what to do |" in part
        assert re.search(r"`[^`]+`|as [A-Z]", part)


def test_every_command_of_the_runbook_exists() -> None:
    commands = (ROOT / "docs" / "commands.md").read_text("utf-8")
    named = set(re.findall(r"`(wutang-auth(?: [a-z][a-z-]*)+)", RUNBOOK))
    assert len(named) > 5
    assert {command for command in named if f"`{command}" not in commands} == set()
    settings = set(re.findall(r"WUTANG_([A-Z_]+)", RUNBOOK + PAGE))
    assert {name for name in settings if name.lower() not in Settings.model_fields} == set()


def test_every_line_of_the_log_that_the_runbook_looks_for_is_written() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src" / "wutang_auth").rglob("*.py"))
    looked_for = [line.strip("'\"") for line in re.findall(r"`grep ('[^']+'|\S+) LOG`", RUNBOOK)]
    assert len(looked_for) > 5
    assert [line for line in looked_for if line.strip('"') not in source] == []


def test_each_file_is_linked_from_the_page() -> None:
    files = [path.relative_to(ROOT) for path in sorted(FOLDER.iterdir())]
    assert len(files) >= 4
    assert [path for path in files if f"](../{path})" not in PAGE] == []


def test_every_reason_is_on_the_page_of_the_log() -> None:
    of_events = {reason for reasons in REASONS.values() for reason in reasons if reason is not None}
    assert set(get_args(OwnReason)) <= of_events
    kinds = set(REASONS["mail_sent"])
    assert {reason for reason in of_events - kinds if f"`{reason}`" not in LOGGING} == set()


def test_tests_of_alerts_name_alerts() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text("utf-8"))
    named = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"]}
    assert named <= {rule["alert"] for rule in ALERTS}
    scraped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    assert [job["job_name"] for job in scraped["scrape_configs"]] == ["wutang-auth"]


def test_promtool_has_nothing_to_say() -> None:
    """Where there is one; `make monitoring` installs it."""
    promtool = shutil.which("promtool")
    for command in ("check config prometheus.yaml", "check rules alerts.yaml", "test rules alerts_test.yaml"):
        if promtool is not None:
            done = subprocess.run([promtool, *command.split()], cwd=FOLDER, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
