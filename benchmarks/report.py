"""The results: as tables for people, a plot, and JSON with every single round."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goals import GOALS, SERVICE, fastest, median, ratio, values

NAMES = {
    "me": "`/me`",
    "fresh": "`/me`, each token for the first time",
    "refresh": "refresh",
    "login": "login",
    "static": "`/api/response_code`",
    "verify": "verify, which gateways ask",
}
LOADS = {"me-1": 1, "me-8": 8, "me": 32, "me-256": 256}
JOINT = {
    "quiet": "`/me` on 4 connections with pauses",
    "flood": "the same while 50 connections guess passwords",
    "two": "`/me` of two services on one PostgreSQL, together",
    "nginx": "verify, asked by nginx",
}
MET = {True: "met", False: "**missed**", None: "not measured"}


def write(results: dict[str, Any], directory: Path) -> None:
    """Write results.json and what is made of it, and print the table of goals."""
    directory.mkdir(parents=True, exist_ok=True)
    results["goals"] = [goal.result(results) for goal in GOALS]
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "RESULTS.md").write_text(document(results))
    plot(results, directory / "results.png")
    print(f"\n{_goals(results)}\n\n{_disturbance(results)}")
    print(f"Written to {directory}: RESULTS.md, results.png, results.json")


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


def _goals(results: dict[str, Any]) -> str:
    parts, groups = [], dict.fromkeys(goal["group"] for goal in results["goals"])
    for group in groups:
        rows = [
            (
                goal["what"],
                goal["goal"],
                ""
                if goal["found"] is None
                else f"{goal['found']:,.3g}"
                if goal["found"] < 1000
                else f"{goal['found']:,.0f}",
                MET[goal["met"]],
                f"{goal['by_cpu']:.3g}" if goal["by_cpu"] else "",
            )
            for goal in results["goals"]
            if goal["group"] == group
        ]
        parts.append(table((group, "goal", "found", "", "by CPU time of the server"), rows))
    return "\n\n".join(parts)


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
        _goals(results),
    ]
    for measure, name in NAMES.items():
        rows = [
            _row(results, measure, key, contender["label"], contender["signs"] if measure != "static" else "")
            for key, contender in contenders.items()
            if measure in contender["measures"]
        ]
        if measure == "login" and rows:
            rows += [
                (f"argon2id alone, {library}", "", _spread(rates, 1), "", "", _times(against), "", "", "", "")
                for library, rates in results["argon2"].items()
                if rates
                for against in [ratio(results, (SERVICE, "login"), ("argon2", library))]
            ]
        if rows:
            parts += [f"## {name}", table(HEAD, rows)]
        if measure == "me":
            parts += _loads(results)
    joint = contenders.get(SERVICE, {"measures": {}})["measures"]
    rows = [_row(results, measure, SERVICE, label, "") for measure, label in JOINT.items() if measure in joint]
    if rows:
        parts += ["## With something else", table(HEAD, rows)]
    parts += _others(results)
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


HEAD = (
    "",
    "signs",
    "per second (least–most)",
    "p50, ms",
    "p99, ms",
    "wutang-auth is",
    "server's CPU, µs each",
    "PostgreSQL's, µs each",
    "server's core",
    "others",
)


def _row(results: dict[str, Any], measure: str, key: str, label: str, signs: str) -> tuple[str, ...]:
    place = (key, measure)
    usage = [outcome["usage"] for outcome in results["contenders"][key]["measures"][measure]]
    return (
        label,
        signs,
        _spread(values(results, place), 1 if measure == "login" else 0),
        f"{median(values(results, place, 'p50')):.1f}",
        f"{median(values(results, place, 'p99')):.1f}",
        "" if key == SERVICE else _times(ratio(results, (SERVICE, measure), place)),
        f"{median(values(results, place, 'server')):,.0f}",
        f"{median(values(results, place, 'postgres')):,.0f}",
        f"{median([each['server'] for each in usage]):.0%}",
        f"{median([each['machine'] - each['server'] for each in usage]):.0%}",
    )


def _loads(results: dict[str, Any]) -> list[str]:
    """`/me` on few and on many connections."""
    rows = []
    for key, contender in results["contenders"].items():
        if "me-1" in contender["measures"]:
            cells = [
                f"{median(p50):.2f} / {median(p99):.2f}" if p50 else ""
                for measure in LOADS
                for p50, p99 in [[values(results, (key, measure), by) for by in ("p50", "p99")]]
            ]
            rows.append((contender["label"], *cells))
    head = ("p50 / p99 in ms, on so many connections", *map(str, LOADS.values()))
    return ["## `/me` on few connections and on many", table(head, rows)] if rows else []


def _others(results: dict[str, Any]) -> list[str]:
    """What other services have of this one."""
    if "verifier" not in results:
        return []
    verifier, logouts, document = results["verifier"], results["logouts"], results["document"]
    rows = [
        ("tokens that the verifier has seen before, a second", f"{verifier['seen']:,.0f}"),
        ("tokens that it sees for the first time, a second", f"{verifier['new']:,.0f}"),
        ("ES256 signatures alone, a second", f"{verifier['es256']:,.0f}"),
        (f"answered logout to refusal, of {logouts['count']:,} logouts, s: p99", f"{logouts['p99']:.2f}"),
        ("the longest of them, s", f"{logouts['most']:.2f}"),
        (f"document of {document['revocations']:,} revocations, KB gzipped", f"{document['kilobytes']:,.0f}"),
        ("to build it, ms", f"{document['milliseconds']:.1f}"),
    ]
    return ["## The verifier, in another service", table(("", ""), rows)]


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
        if measure not in {"fresh", "verify"}
        and any(measure in contender["measures"] for contender in contenders.values())
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
    found = [(contender["label"], (key, measure)) for key, contender in results["contenders"].items()]
    if measure == "login" and any(results["argon2"].values()):
        found.append((f"argon2id alone, {fastest(results)}", ("argon2", "")))
    bars = []
    for label, place in found:
        if rates := values(results, place):
            times = "" if place[0] == SERVICE else f"   {_times(ratio(results, (SERVICE, measure), place))}"
            bars.append((label, median(rates), f"{median(rates):,.0f}{times}"))
    return bars
