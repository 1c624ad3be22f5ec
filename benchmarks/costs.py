"""Shows what two numbers of the benchmark are made of: the worker's memory, and the time of a login."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import load
import machine
import report
from hashing import Argon2
from load import LoadError
from machine import Cores, MachineError
from run import HERE, ask, fill, say
from servers import SERVICE, SERVICE_BIN, Server
from stage import Stage, stage

from wutang_auth.embedded import EmbeddedError

WITHOUT_HASHING = replace(
    SERVICE, name="without-hashing", label="without hashing", command="python without_hashing.py serve --port PORT"
)
SHOWN = 8  # packages
PAUSE = 4  # seconds, until the service gives back what hashing took
IMPORTS = """
import builtins, json, os
statm, page, original = open("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE"), builtins.__import__
own, inner = {}, []

def resident():
    statm.seek(0)
    return int(statm.read().split()[1]) * page

def watched(name, globals=None, locals=None, fromlist=(), level=0):
    begin = resident()
    inner.append(0)
    try:
        return original(name, globals, locals, fromlist, level)
    finally:
        grown, nested = resident() - begin, inner.pop()
        package = (globals["__package__"] if level else name).partition(".")[0]
        own[package] = own.get(package, 0) + grown - nested
        if inner:
            inner[-1] += grown

begin = resident()
builtins.__import__ = watched
import wutang_auth.cli, wutang_auth.main, wutang_auth.server.process
import uvicorn.protocols.http.httptools_impl, uvloop
builtins.__import__ = original
print(json.dumps({"interpreter": begin, "imported": resident(), "own": own}))
"""


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    try:
        cores = Cores.split()
        load.find_wrk()
        with stage(None) as where:
            results = measure(where, cores, options)
    except (MachineError, LoadError, EmbeddedError) as error:
        sys.exit(f"benchmark: {error}")
    results["command"] = "make bench-costs" + (f' ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else "")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "COSTS.md").write_text(document(results))
    print(f"\n{document(results)}\nwritten to {options.out}: COSTS.md")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-costs ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short: whether it works")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of load in each round")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--out", type=Path, help="where the result goes")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.users = 1, 2, 5000
    options.contenders = [SERVICE]
    options.out = options.out or (Path(tempfile.mkdtemp(prefix="wutang-bench-results-")) if options.quick else HERE)
    return options


def measure(where: Stage, cores: Cores, options: argparse.Namespace) -> dict[str, Any]:
    """Fill, start, and look at memory first, then at logins."""
    imported = subprocess.run([SERVICE_BIN / "python", "-c", IMPORTS], capture_output=True, check=True)
    fill(where, options)
    where.copy(SERVICE, WITHOUT_HASHING)
    server, without_hashing = (where.server(contender, cores.server) for contender in (SERVICE, WITHOUT_HASHING))
    argon2 = Argon2(where.password_hash, cores.server)
    logins: dict[str, list[dict[str, float]]] = {"same": [], "other": [], "without": [], "alone": []}
    with ExitStack() as stack:
        for each in (server, without_hashing):
            stack.callback(each.stop)
            each.start()
        time.sleep(PAUSE)
        memories = {"started": server.memory()}
        ask(server, "me", 0, options.seconds)
        ask(server, "fresh", 0, options.seconds)
        for number in range(options.rounds + 1):
            place_hashing(server, {cores.server})
            logins["same"].append(login(server, number, options.seconds))
            place_hashing(server, cores.others)
            logins["other"].append(login(server, number, options.seconds))
            logins["without"].append(login(without_hashing, number, options.seconds))
            argon2.verify(options.seconds)
            logins["alone"].append({"loop": 0.0, "hashing": 1000 / max(rates[-1] for rates in argon2.rates.values())})
            for kind, found in logins.items():
                say(f"login {number}/{options.rounds} {kind}: {found[-1]['loop']:.2f} ms of the event loop")
        time.sleep(PAUSE)
        memories["end"] = server.memory()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.describe(),
        "imports": json.loads(imported.stdout),
        "memories": memories,
        "logins": {
            # the first round was to warm up
            kind: {name: report.median([each[name] for each in found[1:]]) for name in found[0]}
            for kind, found in logins.items()
        },
    }


def login(server: Server, number: int, seconds: int) -> dict[str, float]:
    """Milliseconds of processor time for one login: of the event loop's thread, the first one, and of the others."""
    before = machine.thread_seconds(server.pid)
    outcome = ask(server, "login", number, seconds)
    used = {thread: total - before.get(thread, 0.0) for thread, total in machine.thread_seconds(server.pid).items()}
    loop = used.pop(server.pid)
    return {"loop": 1000 * loop / outcome.requests, "hashing": 1000 * sum(used.values()) / outcome.requests}


def place_hashing(server: Server, cores: AbstractSet[int]) -> None:
    """Let all threads but the event loop's run on these cores."""
    for thread in machine.thread_seconds(server.pid):
        if thread != server.pid:
            os.sched_setaffinity(thread, cores)


def document(results: dict[str, Any]) -> str:
    """COSTS.md."""
    parts = [
        "# Costs",
        (
            f"Written on {results['date']} by `{results['command']}`, on {results['machine']['cpu']} with "
            f"{results['machine']['python']}. What the benchmark's memory and its logins are made of."
        ),
        "## Memory of the worker",
        report.table(("", "MB"), memory_rows(results["imports"], results["memories"])),
        (
            "What a package imports first counts as that package's. Shared libraries are in it, of which several "
            "workers have one copy together."
        ),
        "## Processor time of a login",
        report.table(
            ("", "event loop, ms", "hashing, ms"),
            [
                (label, f"{results['logins'][kind]['loop']:.2f}", f"{results['logins'][kind]['hashing']:.1f}")
                for kind, label in (
                    ("same", "hashing on the same core, as in the benchmark"),
                    ("other", "hashing on another core"),
                    ("without", "without hashing"),
                    ("alone", "argon2id alone, by the fastest library"),
                )
            ],
        ),
        (
            "Besides hashing, a login runs four statements, signs two tokens and writes a line of the log: the row "
            "`without hashing` is what that costs. The rows above it are the same work in some eight turns, one at a "
            "time, with argon2id in between. Each turn then begins on a core that has done something else, or has "
            "slept, and takes longer; and argon2id takes longer where it is interrupted so often."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def memory_rows(imports: dict[str, Any], memories: dict[str, float]) -> list[tuple[str, str]]:
    """From the interpreter to the end, each with what it added."""
    packages = sorted(imports["own"].items(), key=lambda item: -item[1])[:SHOWN]
    begin, imported = imports["interpreter"] / 2**20, imports["imported"] / 2**20
    shown = [(f"importing {name}", grown / 2**20) for name, grown in packages]
    rows = [
        ("the interpreter", begin),
        *shown,
        ("importing everything else", imported - begin - sum(grown for _, grown in shown)),
        ("the application, uvicorn, connections to PostgreSQL", memories["started"] - imported),
        ("8,192 remembered tokens, and the load", memories["end"] - memories["started"]),
        ("**all**", memories["end"]),
    ]
    return [(what, f"{grown:.1f}") for what, grown in rows]


if __name__ == "__main__":
    main()
