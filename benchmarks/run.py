"""Measures this service, its peers and the limits side by side; see README.md beside this file."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import Random

import load
import machine
import others
import report
from check import check
from contenders.seeding import email
from hashing import Argon2
from joint import Joint
from load import Load, LoadError, Outcome
from machine import Cores, MachineError, Watch
from servers import ALL, PASSWORD, SERVICE, SERVICE_BIN, Server
from stage import POSTGRES_SETTINGS, Stage, stage

from wutang_auth.embedded import EmbeddedError

HERE = Path(__file__).parent
OTHER_LOADS = ("me-1", "me-8", "me-256")  # `/me` on so many connections
MEASURES = ("me", *OTHER_LOADS, "fresh", "refresh", "login", "static", "verify")
JOINT = ("flood", "two", "nginx")
OTHERS = "verifier"
ALL_MEASURES = (*MEASURES, *JOINT, OTHERS)
CHAINS = 256  # sessions that are refreshed in one round
LOGINS = 5000  # different users that log in
VERSIONS = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "asyncpg", "sqlalchemy", "fastapi-users", "django",
    "djangorestframework", "djangorestframework-simplejwt", "flask", "flask-jwt-extended", "gunicorn", "psycopg",
    "pyjwt", "cryptography", "argon2-cffi", "orjson",
)  # fmt: skip


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    begin = time.monotonic()
    try:
        cores = Cores.split()
        load.find_wrk()
        with stage(options.directory) as where:
            results = measure(where, cores, options)
    except (MachineError, LoadError, EmbeddedError) as error:
        sys.exit(f"benchmark: {error}")
    results["minutes"] = round((time.monotonic() - begin) / 60, 1)
    report.write(results, options.out)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: whether it works, not how fast it is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load, for each contender in each round")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=[contender.name for contender in ALL], help="these contenders")
    parser.add_argument("--measures", nargs="+", choices=ALL_MEASURES, default=ALL_MEASURES, help="only these")
    parser.add_argument(
        "--directory", type=Path, help="where PostgreSQL's data is meanwhile; default: the temporary one"
    )
    parser.add_argument("--out", type=Path, help="where the results go; default: here if everything was measured")
    options = parser.parse_args()
    partial = options.quick or options.only is not None or set(options.measures) != set(ALL_MEASURES)
    if options.quick:
        options.rounds, options.seconds, options.users = 1, 2, 9000
    options.out = options.out or (Path(tempfile.mkdtemp(prefix="wutang-bench-results-")) if partial else HERE)
    options.contenders = [contender for contender in ALL if options.only is None or contender.name in options.only]
    return options


@dataclass(frozen=True, slots=True)
class Found:
    """What was found about one contender: in each round another process of it."""

    starts: list[float] = field(default_factory=list)
    memories: list[float] = field(default_factory=list)
    measures: dict[str, list[Outcome]] = field(default_factory=dict)


def measure(where: Stage, cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """Fill, then in each round: start, ask in turns, and stop."""
    fill(where, options)
    is_asked = OTHERS in options.measures and SERVICE in options.contenders
    seen_by_others = others.measure(where, cores) if is_asked else {}
    argon2 = Argon2(where.password_hash, cores.server)
    servers = [where.server(contender, cores.server) for contender in options.contenders]
    found = {server.contender.name: Found() for server in servers}
    for number in range(1, options.rounds + 1):
        with ExitStack() as stack:
            for server in servers:
                stack.callback(server.stop)
                start = server.start()
                found[server.contender.name].starts.append(start)
                say(f"round {number}/{options.rounds}: started {server.contender.label}: first 200 after {start:.2f} s")
                if number == 1 and not server.contender.is_limit:
                    check(server)
            for name, server, outcome in turns(where, cores, servers, number, options):
                found[server.contender.name].measures.setdefault(name, []).append(outcome)
                say(f"{name} {number}/{options.rounds} {server.contender.label}: {describe(outcome)}")
            if "login" in options.measures and SERVICE in options.contenders:
                argon2.verify(max(options.seconds - 1, 1))
                say(f"argon2id alone {number}/{options.rounds}: {argon2.last()}")
            for server in servers:
                found[server.contender.name].memories.append(server.memory())
    return {
        **circumstances("make bench", cores, options),
        **seen_by_others,
        "argon2": argon2.rates,
        "contenders": {
            contender.name: {
                "label": contender.label,
                "signs": contender.signs,
                **asdict(found[contender.name]),
            }
            for contender in options.contenders
        },
    }


def turns(
    where: Stage, cores: Cores, servers: Sequence[Server], number: int, options: argparse.Namespace
) -> Iterator[tuple[str, Server, Outcome]]:
    """One round: every measure of every contender, which begins with another one each time."""
    for name in options.measures:
        asked = [server for server in servers if name in MEASURES and server.contender.can(name)]
        turn = number % max(len(asked), 1)
        for server in asked[turn:] + asked[:turn]:
            if name not in OTHER_LOADS:
                ask(server, name, options.rounds + number, 1)  # to warm up
            yield name, server, ask(server, name, number, options.seconds)
    service = next((server for server in servers if server.contender is SERVICE), None)
    if service is not None:
        joint = Joint(where, cores, service)
        for name in options.measures:
            if name in JOINT:
                for part, outcome in joint.measures[name](options.seconds).items():
                    yield part, service, outcome


def circumstances(target: str, cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """When, where and how."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join([target, *([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])]),
        "machine": machine.describe(),
        "cores": {"server": cores.server, "others": sorted(cores.others)},
        "versions": versions(),
        "postgres": POSTGRES_SETTINGS,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "users": options.users,
    }


def fill(where: Stage, options: argparse.Namespace) -> None:
    """Make every contender's database; the limit works on a copy of the service's."""
    asked_often, refreshed = min(4000, options.users // 2), CHAINS * (2 * options.rounds + 1)
    for contender in dict.fromkeys((SERVICE, *options.contenders)):
        begin = time.monotonic()
        if contender.fill:
            fresh_tokens = 40_000 if contender.can("fresh") else 0
            where.fill(
                contender, users=options.users, access_tokens=asked_often, fresh_tokens=fresh_tokens,
                refresh_tokens=refreshed,
            )  # fmt: skip
        else:
            where.copy(SERVICE, contender)
        if contender.login:
            who = Random(3).sample(range(1, options.users + 1), LOGINS)
            bodies = (contender.login_body.replace("EMAIL", email(user)).replace("PASSWORD", PASSWORD) for user in who)
            (where.directory(contender.name) / "login.txt").write_text("".join(f"{body}\n" for body in bodies))
        where.execute(contender.name, "VACUUM ANALYZE")
        say(f"filled {contender.label}: {options.users} users in {time.monotonic() - begin:.1f} s")
    where.execute("postgres", "CHECKPOINT")


def ask(server: Server, name: str, number: int, seconds: int) -> Outcome:
    """One turn of one contender. Turns that refresh need a number of their own, and so sessions of their own."""
    contender, directory = server.contender, server.directory
    kind, _, connections = name.partition("-")
    if kind in {"me", "verify"}:
        path = contender.me if kind == "me" else contender.verify
        what = Load("GET", path, lines=directory / "access.txt", connections=int(connections or 32))
    elif kind == "fresh":
        what = Load("GET", contender.me, lines=directory / "fresh.txt", order="next", start=server.fresh_tokens_used)
    elif kind == "refresh":
        what = Load(
            contender.refresh_method, contender.refresh, "refresh", lines=directory / "refresh.txt",
            start=number * CHAINS, count=CHAINS, token_in=contender.refresh_in, token_field=contender.refresh_field,
        )  # fmt: skip
    elif kind == "login":
        what = Load(
            "POST", contender.login, lines=directory / "login.txt", content_type=contender.login_type, connections=8
        )
    else:
        what = Load("GET", contender.static)
    outcome = load.run(what, [server.port], Watch([server.pid], server.postgres_pid), seconds)
    if kind == "fresh":
        server.fresh_tokens_used += outcome.requests + what.connections
    return outcome


def versions() -> dict[str, str]:
    """Of all that took part: of the service's environment where it has the package, else of the peers'."""
    program = (
        "import importlib.metadata as m, json, sys\n"
        "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
    )
    done = subprocess.run([SERVICE_BIN / "python", "-c", program], capture_output=True, text=True, check=True)
    service = json.loads(done.stdout)
    found = {f"{name} (service)": service[name] for name in ("wutang-auth", "sqlalchemy", "pynacl")}
    by_hand = json.loads((HERE / "package.json").read_text())["dependencies"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {**found, **{name: version(name) for name in VERSIONS}, **by_hand, "node": node.removeprefix("v")}


def describe(outcome: Outcome) -> str:
    """One outcome in a few words."""
    return (
        f"{outcome.rate:.0f}/s, p50 {outcome.p50:.1f} ms, p99 {outcome.p99:.1f} ms, "
        f"server {outcome.usage.server:.2f} of its core, others {outcome.usage.machine - outcome.usage.server:.2f}, "
        f"of which PostgreSQL {outcome.usage.postgres:.2f}"
    )


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    main()
