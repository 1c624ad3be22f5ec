"""The load generator: wrk, told what to send by the Lua scripts beside this file."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from machine import Usage, Watch

SCRIPTS = Path(__file__).parent / "load"


class LoadError(Exception):
    """Something was not answered as it should be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send."""

    method: str
    path: str
    script: Literal["requests", "refresh"] = "requests"
    lines: Path | None = None
    """A file of tokens (or bodies), one a line."""
    order: Literal["random", "next"] = "random"
    start: int = 0
    """How many lines to skip at first."""
    count: int = 0
    """How many chains of refreshes."""
    content_type: str = ""
    token_in: Literal["header", "body"] = "header"
    token_field: str = ""
    connections: int = 32
    """Altogether; every port gets the same number."""
    pause: int = 0
    """Milliseconds between an answer and the next request of its connection."""
    forwarded: bool = False
    """Whether each line comes from another client address, as X-Forwarded-For has it."""
    """In all, evenly over the ports."""
    refusals: bool = False
    """Whether any status is an answer, as when passwords are guessed."""

    def environment(self) -> dict[str, str]:
        """What the Lua script reads."""
        given = {
            "METHOD": self.method,
            "TARGET": self.path,
            "ORDER": self.order,
            "START": str(self.start),
            "COUNT": str(self.count),
            "CONTENT_TYPE": self.content_type,
            "TOKEN_IN": self.token_in,
            "FIELD": self.token_field,
            "PAUSE": str(self.pause),
            "FORWARDED": "yes" if self.forwarded else "",
            "SUMMARY": str(SCRIPTS / "summary.lua"),
        }
        return given if self.lines is None else {**given, "LINES": str(self.lines)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back. Latencies are milliseconds."""

    requests: int
    rate: float
    """Answers a second."""
    p50: float
    p99: float
    worst: float
    usage: Usage
    generator: float
    """Cores that wrk used."""


def find_wrk() -> str:
    """The path of wrk.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk, the load generator, is not installed: apt-get install wrk (or brew, dnf, pacman)")
    return found


def run(load: Load, ports: Sequence[int], watch: Watch, seconds: int) -> Outcome:
    """Send for some seconds to these ports of the loopback address.

    Raises:
        LoadError: an answer was missing or other than 200.
    """
    command, environment = _command(load, ports, seconds)
    watch.begin()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 60, check=False)
    usage = watch.stop()
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise LoadError(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found = json.loads(lines[-1])
    errors = {name: found[name] for name in ("connect", "read", "write", "timeout", "status", "bad") if found[name]}
    if errors or found["requests"] == 0:
        raise LoadError(f"{load.method} {load.path}: {found}")
    duration = found["duration"] / 1e6
    return Outcome(
        requests=found["requests"],
        rate=found["requests"] / duration,
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        worst=found["worst"] / 1000,
        usage=usage,
        generator=usage.children / usage.seconds,
    )


@contextmanager
def running(load: Load, ports: Sequence[int], seconds: int) -> Iterator[None]:
    """The same in the background; what is answered does not matter."""
    command, environment = _command(load, ports, seconds)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _command(load: Load, ports: Sequence[int], seconds: int) -> tuple[list[str], dict[str, str]]:
    command = [
        find_wrk(), "--threads", str(len(ports)), "--connections", str(load.connections),
        "--duration", f"{seconds}s", "--timeout", "20s", "--script", str(SCRIPTS / f"{load.script}.lua"),
        f"http://127.0.0.1:{ports[0]}",
    ]  # fmt: skip
    return command, {"PATH": os.environ["PATH"], "PORTS": " ".join(map(str, ports)), **load.environment()}
