"""Measures the service on each Python that is here, side by side: which one the image should have."""

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import load
import report
from goals import median, ratio, values
from machine import Cores
from run import HERE, measure
from servers import SERVICE, Contender
from stage import stage

MEASURES = ("me", "refresh", "login")


def main() -> None:
    options = parse()
    begin = time.monotonic()
    cores = Cores.split()
    load.find_wrk()
    with stage(None) as where:
        results = measure(where, cores, options)
    results["minutes"] = round((time.monotonic() - begin) / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "pythons.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "PYTHONS.md").write_text(document(results))
    print(f"\n{document(results)}\nwritten to {options.out}: PYTHONS.md, pythons.json")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-pythons ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short: whether it works")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of load, for each Python in each round")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--out", type=Path, help="where the results go")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.users = 1, 1, 9000
    options.out = options.out or (Path(tempfile.mkdtemp(prefix="wutang-bench-results-")) if options.quick else HERE)
    options.measures = MEASURES
    options.contenders = contenders()
    return options


def contenders() -> list[Contender]:
    """The service in each environment that bench.mk made, from the oldest Python to the newest."""
    found = []
    for environment in sorted(HERE.glob(".venv-3.*"), key=lambda path: int(path.suffix[1:])):
        python = environment / "bin" / "python"
        done = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
        label = f"{done.stdout.strip()}{'' if is_optimized(python) else ', not optimized'}"
        found.append(replace(SERVICE, name=environment.name, label=label, fill="", bin=environment / "bin"))
    return found


def is_optimized(python: Path) -> bool:
    """Whether it was compiled with a profile, as the official images are."""
    program = "import sysconfig; print('--enable-optimizations' in (sysconfig.get_config_var('CONFIG_ARGS') or ''))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "True"


def document(results: dict[str, Any]) -> str:
    """PYTHONS.md."""
    names = list(results["contenders"])
    rows = [
        (
            contender["label"],
            *(cell for name in MEASURES for cell in cells(results, key, names[0], name)),
            f"{median(contender['memories']):.0f}",
            f"{median(contender['starts']):.2f}",
        )
        for key, contender in results["contenders"].items()
    ]
    head = ["", *(cell for name in MEASURES for cell in (f"{name}/s", "", "CPU, µs each")), "memory, MB", "start, s"]
    parts = [
        "# Pythons",
        (
            f"Written on {results['date']} by `make bench-pythons` in {results['minutes']:g} minutes, on "
            f"{results['machine']['cpu']}. The service as it is, on each Python that was there, in turns: medians of "
            f"{results['rounds']} rounds of {results['seconds']} s, as README.md beside this says. Ratios are of "
            "requests a second, medians of the ratios within a round, to the first line."
        ),
        report.table(head, rows),
        (
            "Official images have Pythons that were compiled with a profile. Only lines that are alike in that can be "
            "compared with each other."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def cells(results: dict[str, Any], key: str, first: str, name: str) -> tuple[str, str, str]:
    """The rate, its ratio to the first one's, and the CPU of one request."""
    return (
        f"{median(values(results, (key, name))):,.0f}",
        f"{ratio(results, (key, name), (first, name)) or 0:.2f} ×",
        f"{median(values(results, (key, name), 'server')):,.0f}",
    )


if __name__ == "__main__":
    main()
