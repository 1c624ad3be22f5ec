"""The results: as a table for people, a plot, and JSON with every single round."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

median = statistics.median
SERVICE, LIMIT = "service", "limit"
NAMES = {
    "me": "`/me`",
    "fresh": "`/me`, each token for the first time",
    "refresh": "refresh",
    "login": "login",
    "static": "`/api/response_code`",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What was promised."""

    what: str
    measure: str
    other: str
    least: float


GOALS = (
    Goal("`/me` against the limit", "me", LIMIT, 0.60),
    Goal("`/me` against fastapi-users, JWT strategy", "me", "fastapi-users-jwt", 5),
    Goal("`/me` against fastapi-users, database strategy", "me", "fastapi-users-database", 6),
    Goal("`/me` against Django REST framework with simplejwt", "me", "drf-simplejwt", 5),
    Goal("`/me` against flask-jwt-extended with its blocklist", "me", "flask-jwt-extended", 3.5),
    Goal("login against argon2id alone", "login", "argon2", 0.95),
    Goal("refresh against the limit", "refresh", LIMIT, 0.60),
    Goal("refresh against simplejwt, rotating and blacklisting", "refresh", "drf-simplejwt", 6),
    Goal("`/api/response_code` against a static answer", "static", LIMIT, 0.30),
)
MOST_MEMORY = 90.0  # MB
LONGEST_START = 1.5  # seconds


def write(results: dict[str, Any], directory: Path) -> None:
    """Write results.json, RESULTS.md and results.png, and print the table of goals."""
    directory.mkdir(parents=True, exist_ok=True)
    results["goals"] = goals(results)
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = document(results)
    (directory / "RESULTS.md").write_text(text)
    plot(results, directory / "results.png")
    print(f"\n{table(GOAL_HEAD, _goal_rows(results))}\n\n{_disturbance(results)}")
    print(f"Written to {directory}: RESULTS.md, results.png, results.json")


def rates(results: dict[str, Any], name: str, measure: str) -> list[float]:
    """Answers a second in each round; empty where it was not measured."""
    if name == "argon2":
        return list(results["argon2"])
    found = results["contenders"].get(name, {"measures": {}})["measures"].get(measure, [])
    return [outcome["rate"] for outcome in found]


def ratio(results: dict[str, Any], measure: str, other: str) -> float | None:
    """The service against another: the median of the ratios of each round, whose turns lie within a minute."""
    ours, theirs = rates(results, SERVICE, measure), rates(results, other, measure)
    if not ours or not theirs:
        return None
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


def disturbed(results: dict[str, Any]) -> tuple[int, int]:
    """In how many turns, of how many, something else ran on the server's core, or the hypervisor took time away."""
    most = len(results["cores"]["others"]) + 0.05
    usages = [
        outcome["usage"]
        for contender in results["contenders"].values()
        for rounds in contender["measures"].values()
        for outcome in rounds
    ]
    found = [usage for usage in usages if usage["machine"] - usage["server"] > most or usage["stolen"] > 0.05]
    return len(found), len(usages)


def cpu_ratio(results: dict[str, Any], measure: str, other: str) -> float | None:
    """The same by answers for each CPU second of the server, which a bottleneck elsewhere does not flatter."""
    ours, theirs = (
        [
            outcome["requests"] / (outcome["usage"]["server"] * outcome["usage"]["seconds"])
            for outcome in results["contenders"].get(name, {"measures": {}})["measures"].get(measure, [])
        ]
        for name in (SERVICE, other)
    )
    if not ours or not theirs:
        return None
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


def goals(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Each goal with what was found."""
    found = []
    for goal in GOALS:
        value = ratio(results, goal.measure, goal.other)
        if value is not None:
            by_cpu = cpu_ratio(results, goal.measure, goal.other)
            found.append({**_goal(goal.what, f"≥ {goal.least:g}", value, value >= goal.least), "by_cpu": by_cpu})
    service = results["contenders"].get(SERVICE)
    if service:
        memory, start = median(service["memories"]), median(service["starts"])
        found.append(_goal("memory after the run, MB", f"≤ {MOST_MEMORY:g}", memory, memory <= MOST_MEMORY))
        found.append(_goal("start to the first 200, s", f"≤ {LONGEST_START:g}", start, start <= LONGEST_START))
    return found


def _goal(what: str, goal: str, value: float, is_met: bool) -> dict[str, Any]:
    return {"what": what, "goal": goal, "found": value, "met": is_met}


GOAL_HEAD = ("what", "goal", "found", "", "by CPU time of the server")


def _goal_rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            goal["what"],
            goal["goal"],
            f"{goal['found']:.3g}",
            "ok" if goal["met"] else "missed",
            f"{goal['by_cpu']:.3g}" if goal.get("by_cpu") else "",
        )
        for goal in results["goals"]
    ]


def document(results: dict[str, Any]) -> str:
    """RESULTS.md."""
    machine, contenders = results["machine"], results["contenders"]
    others = len(results["cores"]["others"])
    parts = [
        "# Results",
        (
            f"Written on {results['date']} by `{results['command']}` in {results['minutes']:g} minutes. README.md "
            "beside this says what is compared, how, and what the numbers do not say. Every round is in results.json."
        ),
        (
            "One server process on one core; PostgreSQL and wrk on "
            f"{'the other core' if others == 1 else f'the {others} other cores'}. {results['users']:,} users. "
            f"{results['rounds']} rounds of {results['seconds']} s for each, in turns; medians of the rounds, and of "
            "the ratios within a round."
        ),
        _disturbance(results),
        "![The service, its peers and the limits](results.png)",
        "## Goals",
        table(GOAL_HEAD, _goal_rows(results)),
    ]
    for measure, name in NAMES.items():
        rows = [
            _measure_row(results, measure, key, contender)
            for key, contender in contenders.items()
            if measure in contender["measures"]
        ]
        if measure == "login" and results["argon2"]:
            alone = ratio(results, "login", "argon2")
            rows.append(("argon2id alone", "", _spread(results["argon2"], 1), "", "", _times(alone), "", ""))
        if rows:
            head = (
                "",
                "signs",
                "per second (least–most)",
                "p50, ms",
                "p99, ms",
                "wutang-auth is",
                "server's core",
                "others",
            )
            parts += [f"## {name}", table(head, rows)]
    rows = [
        (contender["label"], f"{median(contender['memories']):.0f}", f"{median(contender['starts']):.2f}")
        for contender in contenders.values()
    ]
    parts += [
        "## Memory and start",
        table(("", "memory of the worker after the run, MB", "start to the first 200 from `/me`, s"), rows),
    ]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    settings = ", ".join(f"{name} = {value}" for name, value in results["postgres"].items())
    parts += [
        "## Machine and versions",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']}, {machine['kernel']}, {machine['python']}.",
        f"{versions}. PostgreSQL: {settings}; fsync, synchronous_commit and full_page_writes on.",
    ]
    return "\n\n".join(parts) + "\n"


def _disturbance(results: dict[str, Any]) -> str:
    found, turns = disturbed(results)
    return f"Disturbed turns, in which something else used the server's core: {found} of {turns}."


def _measure_row(results: dict[str, Any], measure: str, key: str, contender: dict[str, Any]) -> tuple[str, ...]:
    rounds = contender["measures"][measure]
    usage = [outcome["usage"] for outcome in rounds]
    digits = 1 if measure == "login" else 0
    return (
        contender["label"],
        contender["signs"] if measure != "static" else "",
        _spread([outcome["rate"] for outcome in rounds], digits),
        f"{median([outcome['p50'] for outcome in rounds]):.1f}",
        f"{median([outcome['p99'] for outcome in rounds]):.1f}",
        "" if key == SERVICE else _times(ratio(results, measure, key)),
        f"{median([each['server'] for each in usage]):.0%}",
        f"{median([each['machine'] - each['server'] for each in usage]):.0%}",
    )


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} ×"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(results: dict[str, Any], path: Path) -> None:
    """One panel for each measure: a bar for each contender, with how many times as fast the service is."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    contenders = results["contenders"]
    shown = [
        measure
        for measure in NAMES
        if measure != "fresh" and any(measure in contender["measures"] for contender in contenders.values())
    ]
    bars = {measure: _bars(results, measure) for measure in shown}
    figure, panels = plt.subplots(
        len(shown), 1, figsize=(9, 1.1 * len(shown) + 0.32 * sum(map(len, bars.values()))), squeeze=False,
        gridspec_kw={"height_ratios": [len(bars[measure]) for measure in shown]},
    )  # fmt: skip
    for panel, measure in zip(panels[:, 0], shown, strict=True):
        labels = [label for label, _, _ in bars[measure]]
        values = [value for _, value, _ in bars[measure]]
        colours = [
            "#c2410c" if label == "wutang-auth" else "#94a3b8" if "limit" in label or "alone" in label else "#475569"
            for label in labels
        ]
        drawn = panel.barh(labels, values, color=colours)
        panel.bar_label(drawn, [text for _, _, text in bars[measure]], padding=4, fontsize=9)
        panel.set_xlim(right=max(values) * 1.25)
        panel.set_title(f"{NAMES[measure].replace('`', '')} per second", loc="left", fontsize=10, fontweight="bold")
        panel.invert_yaxis()
        panel.spines[["top", "right"]].set_visible(False)
    where = f"one process on one core, {results['machine']['cpu']}, {results['date']}"
    figure.text(0.01, 0.005, f"×: how many times as fast wutang-auth is; {where}", fontsize=8, color="#64748b")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, dpi=120)


def _bars(results: dict[str, Any], measure: str) -> list[tuple[str, float, str]]:
    """Label, rate, and what stands beside the bar."""
    found = []
    for key, contender in results["contenders"].items():
        if values := rates(results, key, measure):
            found.append((contender["label"], median(values), key))
    if measure == "login" and results["argon2"]:
        found.append(("argon2id alone", median(results["argon2"]), "argon2"))
    return [
        (label, value, f"{value:,.0f}" if key == SERVICE else f"{value:,.0f}   {_times(ratio(results, measure, key))}")
        for label, value, key in found
    ]
