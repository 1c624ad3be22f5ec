"""Measures how the service grows: with its sessions, while it prunes, after many refreshes, with two workers."""

import argparse
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import load
import machine
import report
from load import LoadError, Outcome
from machine import Cores, MachineError, tree
from run import CHAINS, HERE, ask, describe, say, versions
from servers import SERVICE, Contender, Server
from stage import Stage, stage

from wutang_auth.embedded import EmbeddedError

USERS = 100_000
ASKED = 4000  # sessions that `/me` is asked with again and again
FRESH = 40_000  # tokens for `/me` that were not seen lately
BATCH = 100  # refreshes in one transaction of the bloat test
WRITERS = 4


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    begin = time.monotonic()
    results: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["make bench-growth", *([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])]),
        "machine": machine.describe(),
        "versions": {name: value for name, value in versions().items() if "service" in name},
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    try:
        cores = Cores.split()
        load.find_wrk()
        with stage(options.directory) as where:
            results["sizes"] = sizes(where, cores, options)
            results["prune"] = prune(where, cores, options)
            results["bloat"] = bloat(where, options)
            results["workers"] = workers(where, cores, options)
    except (MachineError, LoadError, EmbeddedError) as error:
        sys.exit(f"benchmark: {error}")
    results["minutes"] = round((time.monotonic() - begin) / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "GROWTH.md").write_text(document(results))
    print(f"\n{document(results)}\nwritten to {options.out}: GROWTH.md, growth.json")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-growth ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and short: whether it works, not how it grows")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000], help="sessions")
    parser.add_argument("--dead", type=int, default=1_000_000, help="sessions to prune")
    parser.add_argument("--refreshes", type=int, default=10_000_000, help="for the bloat")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load, for each size in each round")
    parser.add_argument("--directory", type=Path, help="where PostgreSQL's data is meanwhile: some 6 GB")
    parser.add_argument("--out", type=Path, help="where the results go")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.dead, options.refreshes = [10_000, 50_000, 200_000], 50_000, 100_000
        options.rounds, options.seconds = 1, 2
    options.out = options.out or (Path(tempfile.mkdtemp(prefix="wutang-bench-results-")) if options.quick else HERE)
    return options


def sized(sessions: int) -> Contender:
    """The service with a database of its own for this many sessions."""
    return replace(SERVICE, name=f"sessions-{sessions}", label=f"{sessions:,} sessions")


def sizes(where: Stage, cores: Cores, options: argparse.Namespace) -> dict[str, Any]:
    """`/me` and refresh, with few sessions and with many, in turns."""
    with ExitStack() as stack:
        servers = []
        for sessions in options.sizes:
            begin = time.monotonic()
            contender = sized(sessions)
            refreshed = CHAINS * (options.rounds + 1)
            fresh = min(FRESH, sessions - refreshed)
            where.fill(
                contender, users=USERS, sessions=sessions, access_tokens=ASKED, fresh_tokens=fresh,
                refresh_tokens=refreshed,
            )  # fmt: skip
            where.execute(contender.name, "VACUUM ANALYZE")
            say(f"filled {contender.label} in {time.monotonic() - begin:.0f} s: {size(where, contender.name)}")
            servers.append(where.server(contender, cores.server))
        where.execute("postgres", "CHECKPOINT")
        for server in servers:
            stack.callback(server.stop)
        found = rounds(servers, ("me", "fresh", "refresh"), options)
    return {
        server.contender.label: {
            name: [outcome.rate for outcome in found[server.contender.label, name]]
            for name in ("me", "fresh", "refresh")
        }
        for server in servers
    }


def rounds(
    servers: Sequence[Server], names: Sequence[str], options: argparse.Namespace
) -> dict[tuple[str, str], list[Outcome]]:
    """Ask the servers in turns, in each round another process of each; the first round is to warm up."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for number in range(options.rounds + 1):
        for server in servers:
            server.stop()
            server.start()
            ask(server, "me", 0, max(options.seconds // 3, 1))
        for name in names:
            for server in servers:
                outcome = ask(server, name, number, options.seconds)
                if number:
                    found.setdefault((server.contender.label, name), []).append(outcome)
                    say(f"{name} {number}/{options.rounds} {server.contender.label}: {describe(outcome)}")
    return found


def prune(where: Stage, cores: Cores, options: argparse.Namespace) -> dict[str, Any]:
    """`wutang-auth sessions prune` beside a service that is asked for `/me` all the time."""
    contender = sized(options.sizes[1])
    where.execute(
        contender.name,
        f"""INSERT INTO sessions (user_id, id, expires_at, ip, user_agent)
            SELECT 1 + (i * 7919) % {USERS}, gen_random_uuid(), now() - random() * interval '1 day',
                   '127.0.0.1', 'bench'
            FROM generate_series(1, {options.dead}::bigint) i""",
        "VACUUM ANALYZE sessions",
        "CHECKPOINT",
    )
    say(f"added {options.dead:,} dead sessions to {contender.label}")
    server = where.server(contender, cores.server)
    slices: dict[str, list[Outcome]] = {"before": [], "during": [], "after": []}
    try:
        server.start()
        ask(server, "me", 0, options.seconds)
        slices["before"] = [ask(server, "me", number, options.seconds) for number in range(1, 4)]
        command = [str(contender.bin / "wutang-auth"), "sessions", "prune", "--json"]
        begin = time.monotonic()
        pruning = subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, text=True)
        try:
            while pruning.poll() is None and time.monotonic() - begin < 600:
                slices["during"].append(ask(server, "me", 0, 1))
                say(f"pruning for {time.monotonic() - begin:.0f} s: {describe(slices['during'][-1])}")
        finally:
            pruning.kill()
        seconds = time.monotonic() - begin
        said = json.loads(pruning.communicate()[0])
        slices["after"] = [ask(server, "me", number, options.seconds) for number in range(1, 4)]
    finally:
        server.stop()
    return {
        "dead": options.dead,
        "pruned": said["pruned"],
        "seconds": seconds,
        **{
            when: {
                "rate": report.median([outcome.rate for outcome in found]),
                "p50": report.median([outcome.p50 for outcome in found]),
                "p99": report.median([outcome.p99 for outcome in found]),
                "worst": max(outcome.worst for outcome in found),
            }
            for when, found in slices.items()
            if found
        },
    }


def bloat(where: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Run the service's refresh statement as often as asked, over all sessions; autovacuum works as it would."""
    name = sized(options.sizes[1]).name
    where.execute(name, "VACUUM FULL sessions", "ANALYZE sessions", "SELECT pg_stat_reset()")
    before = table(where, name)
    statement = json.loads((where.directory(name) / "statements.json").read_text())
    url = where.postgres.url(name)
    seconds = asyncio.run(refresh_many(url, statement, options.refreshes))
    time.sleep(2)  # until the statistics are written
    return {"refreshes": options.refreshes, "seconds": seconds, "before": before, "after": table(where, name)}


async def refresh_many(url: str, statements: dict[str, Any], refreshes: int) -> float:
    """The seconds that so many refreshes took: each a row of its own, some in one transaction."""
    sql, order = statements["refresh"]["sql"], statements["refresh"]["parameters"]
    connections = [await asyncpg.connect(url) for _ in range(WRITERS)]
    sessions = await connections[0].fetch("SELECT user_id, id, generation FROM sessions ORDER BY random()")
    begin = last_said = time.monotonic()
    done = 0

    async def work(connection: "asyncpg.Connection", own: Sequence["asyncpg.Record"]) -> None:
        nonlocal done, last_said
        for turn in itertools.count():
            for first in range(0, len(own), BATCH):
                if done >= refreshes:
                    return
                rows = []
                for session in own[first : first + BATCH]:
                    values = {
                        "user_id": session["user_id"],
                        "session_id": session["id"],
                        "given": session["generation"] + turn,
                        "access_ttl": timedelta(hours=1),
                    }
                    rows.append([values[parameter] for parameter in order])
                done += len(rows)
                await connection.executemany(sql, rows)
                if time.monotonic() - last_said > 10:
                    last_said = time.monotonic()
                    say(f"{done:,} of {refreshes:,} refreshes, {done / (last_said - begin):,.0f}/s")

    await asyncio.gather(*(work(each, sessions[number::WRITERS]) for number, each in enumerate(connections)))
    for connection in connections:
        await connection.close()
    return time.monotonic() - begin


def workers(where: Stage, cores: Cores, options: argparse.Namespace) -> dict[str, Any]:
    """One worker and two, in turns; service, PostgreSQL and wrk share all cores."""
    everywhere = cores.others | {cores.server}
    os.sched_setaffinity(0, everywhere)
    for pid in tree(where.postgres_pid()):
        os.sched_setaffinity(pid, everywhere)
    with ExitStack() as stack:
        servers = []
        for number in (1, 2):
            contender = replace(
                sized(options.sizes[0]),
                label=f"{number} worker{'s' if number > 1 else ''}",
                command=f"{SERVICE.command} --workers {number}",
            )
            server = where.server(contender, *everywhere)
            stack.callback(server.stop)
            servers.append(server)
        found = rounds(servers, ("me", "static"), options)
    return {
        label: {
            **{name: [outcome.rate for outcome in found[label, name]] for name in ("me", "static")},
            "postgres": [
                1e6 * outcome.usage.postgres * outcome.usage.seconds / outcome.requests
                for outcome in found[label, "me"]
            ],
        }
        for label in (server.contender.label for server in servers)
    }


def table(where: Stage, database: str) -> dict[str, int]:
    """What PostgreSQL says of the table of sessions."""
    return where.row(
        database,
        """SELECT pg_relation_size('sessions') AS heap, pg_indexes_size('sessions') AS indexes,
                  (SELECT count(*) FROM sessions) AS rows, n_dead_tup AS dead, n_tup_upd AS updates,
                  n_tup_hot_upd AS hot_updates, autovacuum_count AS autovacuums
           FROM pg_stat_user_tables WHERE relname = 'sessions'""",
    )


def size(where: Stage, database: str) -> str:
    """How large the table is, in words."""
    found = table(where, database)
    return f"heap {found['heap'] / 2**20:,.0f} MiB, indexes {found['indexes'] / 2**20:,.0f} MiB"


def document(results: dict[str, Any]) -> str:
    """GROWTH.md."""
    parts = [
        "# Growth",
        (
            f"Written on {results['date']} by `{results['command']}` in {results['minutes']:g} minutes, on "
            f"{results['machine']['cpu']} with {results['machine']['cores']} cores, {results['machine']['memory']}, "
            f"{results['machine']['python']}. {USERS:,} users. Medians of {results['rounds']} rounds of "
            f"{results['seconds']} s, in turns; ratios are medians of the ratios within a round. README.md beside this "
            "says how."
        ),
        "## Sessions",
        "One process on one core, everything else on the other.",
        report.table(
            ("", "`/me`/s", "", "`/me`/s, tokens not seen lately", "", "refreshes/s", ""),
            _against_first(results["sizes"], ("me", "fresh", "refresh")),
        ),
        "The goal: `/me` with the most sessions at least 0.90 of that with the fewest.",
        "## Pruning while serving",
    ]
    prune = results["prune"]
    parts += [
        (
            f"`wutang-auth sessions prune` deleted {prune['pruned']:,} dead sessions in {prune['seconds']:.0f} s, "
            f"{prune['pruned'] / prune['seconds']:,.0f} a second. It, PostgreSQL and wrk shared one core meanwhile."
        ),
        report.table(
            ("`/me`", "per second", "p50, ms", "p99, ms", "worst, ms"),
            [
                (when, *(f"{prune[when][name]:,.{digits}f}" for name, digits in _LATENCIES))
                for when in ("before", "during", "after")
                if when in prune
            ],
        ),
        "## Bloat",
    ]
    bloat = results["bloat"]
    before, after = bloat["before"], bloat["after"]
    parts += [
        (
            f"{bloat['refreshes']:,} refreshes by the service's own statement over {before['rows']:,} sessions, at "
            f"{bloat['refreshes'] / bloat['seconds']:,.0f} a second. Autovacuum as PostgreSQL and the schema set it."
        ),
        report.table(
            ("", "before", "after"),
            [
                ("table, MiB", *(f"{each['heap'] / 2**20:,.0f}" for each in (before, after))),
                ("its indexes, MiB", *(f"{each['indexes'] / 2**20:,.0f}" for each in (before, after))),
                ("dead row versions", *(f"{each['dead']:,}" for each in (before, after))),
                ("heap-only updates", "", f"{after['hot_updates'] / max(after['updates'], 1):.1%}"),
                ("runs of autovacuum", "", f"{after['autovacuums']}"),
            ],
        ),
        "## Workers",
        "Service, PostgreSQL and wrk share all cores here, so two workers cannot be twice as fast as one on two cores.",
        report.table(
            ("", "`/me`/s", "", "`/api/response_code`/s", "", "PostgreSQL's CPU for one `/me`, µs", ""),
            _against_first(results["workers"], ("me", "static", "postgres")),
        ),
    ]
    return "\n\n".join(parts) + "\n"


_LATENCIES = (("rate", 0), ("p50", 1), ("p99", 1), ("worst", 1))


def _against_first(found: dict[str, dict[str, list[float]]], names: Sequence[str]) -> list[tuple[str, ...]]:
    first = next(iter(found.values()))
    rows = []
    for label, rates in found.items():
        row = [label]
        for name in names:
            ratios = [here / there for here, there in zip(rates[name], first[name], strict=True)]
            row += [f"{report.median(rates[name]):,.0f}", f"{report.median(ratios):.2f} ×"]
        rows.append(tuple(row))
    return rows


if __name__ == "__main__":
    main()
