"""How many processors this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def processors(root: Path = Path("/")) -> int:
    """The smaller of the cores that the process may run on and its CPU quota, rounded up; at least 1.

    A container with a quota of half a core sees all cores of its machine.

    Args:
        root: Where /proc and /sys are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([float(cores), *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in processors, of this process's control group and of those around it; none outside of Linux."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, own = line.split(":", 2)
        group = PurePosixPath(own)
        # inside a container the path may be the host's, of which only the end is mounted; then the top is the own group
        for path in (group, *group.parents):
            below = str(path).lstrip("/")
            if controllers == "":  # version 2 (Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max)
                yield from _ratio(*_read(mounted / below / "cpu.max").split())
            elif "cpu" in controllers.split(","):  # version 1
                directory = mounted / "cpu" / below
                yield from _ratio(_read(directory / "cpu.cfs_quota_us"), _read(directory / "cpu.cfs_period_us"))


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    """Microseconds of processor time in each period of so many; `max` and -1 are no quota."""
    if quota.strip().isdigit() and period.strip().isdigit() and int(period) > 0:
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
