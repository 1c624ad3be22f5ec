"""The load generator: wrk, told what to send by the Lua scripts beside this file."""

import json
import os
import shutil
import subprocess
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


def run(load: Load, port: int, pid: int, seconds: int) -> Outcome:
    """Send for some seconds to the server `pid` on this port of the loopback address.

    Raises:
        LoadError: an answer was missing or other than 200.
    """
    command = [
        find_wrk(), "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds}s",
        "--timeout", "20s", "--script", str(SCRIPTS / f"{load.script}.lua"), f"http://127.0.0.1:{port}",
    ]  # fmt: skip
    watch = Watch(pid)
    environment = {"PATH": os.environ["PATH"], **load.environment()}
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
