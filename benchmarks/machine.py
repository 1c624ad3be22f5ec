"""This machine: its cores, who uses them, and how much memory a process takes. Linux only, like the pinning."""

import os
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MachineError(Exception):
    """The benchmark cannot run here."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: the server under test alone, everything else on the other cores."""

    server: int
    others: frozenset[int]

    @classmethod
    def split(cls) -> "Cores":
        """Divide the cores that this process may use, and move it to the others; its children inherit that.

        Raises:
            MachineError: there is only one.
        """
        if platform.system() != "Linux":
            raise MachineError("the benchmark pins processes to cores, which it can do on Linux only")
        cores = os.sched_getaffinity(0)
        if len(cores) < 2:
            raise MachineError("the benchmark needs two cores: one for the server, one for everything else")
        server = max(cores)
        os.sched_setaffinity(0, cores - {server})
        return cls(server, frozenset(cores - {server}))


@dataclass(frozen=True, slots=True)
class Usage:
    """Who used which share of the cores meanwhile."""

    seconds: float
    server: float
    """Cores that the server process and its children used: 1.0 is one core all the time."""
    machine: float
    """Cores that were busy altogether."""
    stolen: float
    """Cores that the hypervisor gave to others."""
    children: float
    """CPU seconds of this process's children that ended meanwhile."""
    postgres: float
    """Cores that PostgreSQL used."""


class Watch:
    """Measures who uses the cores: servers, and PostgreSQL, each with all processes that descend from it."""

    def __init__(self, pids: Sequence[int], postgres_pid: int) -> None:
        self._pids = pids
        self._postgres_pid = postgres_pid
        self.begin()

    def begin(self) -> None:
        """Measure from now on."""
        self._begin = self._now()

    def stop(self) -> Usage:
        """What was used since it began."""
        seconds, server, busy, stolen, children, postgres = (
            end - begin for begin, end in zip(self._begin, self._now(), strict=True)
        )
        return Usage(seconds, server / seconds, busy / seconds, stolen / seconds, children, postgres / seconds)

    def _now(self) -> tuple[float, float, float, float, float, float]:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        idle, stolen = ticks[3] + ticks[4], ticks[7]
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            time.monotonic(),
            sum(_tree_seconds(pid) for pid in self._pids),
            (sum(ticks[:8]) - idle - stolen) / _TICKS,
            stolen / _TICKS,
            children.ru_utime + children.ru_stime,
            _tree_seconds(self._postgres_pid),
        )


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                continue
    return found


def memory(pid: int) -> float:
    """Resident megabytes of the largest process of a tree: the worker, not what supervises it."""
    return max(_resident(process) for process in tree(pid)) / 2**20


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def thread_seconds(pid: int) -> dict[int, float]:
    """Seconds of processor time that each thread of a process has had."""
    return {int(thread.name): sum(_cpu_seconds(thread)[:2]) for thread in Path(f"/proc/{pid}/task").iterdir()}


def _tree_seconds(pid: int) -> float:
    """Of a process and all that descend from it, those included that have ended."""
    return sum(sum(_cpu_seconds(Path(f"/proc/{process}"))) for process in tree(pid))


def _cpu_seconds(directory: Path) -> tuple[float, ...]:
    """As user, in the kernel, and the same two of children that have ended."""
    try:
        words = (directory / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return (0.0,)
    return tuple(int(word) / _TICKS for word in words[11:15])


def describe() -> dict[str, str]:
    """The machine, for the report: its kind, not its name."""
    cpu = {key.strip(): value.strip() for key, _, value in _lines("/proc/cpuinfo")}
    memory_kb = {key: value for key, _, value in _lines("/proc/meminfo")}["MemTotal"].split()[0]
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory_kb) / 2**20:.0f} GiB",
        "kernel": f"Linux {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _lines(path: str) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in Path(path).read_text().splitlines()]
