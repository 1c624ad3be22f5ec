"""Versions of the program, each in a directory of its own: the one before, this one, and one after it."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.migrations import add_migrations
from support.services import CLI

ROOT = Path(__file__).parents[2]
BEFORE = "ba75f0d5f7fc"
"""The commit of the version before: 0.1.0."""


@dataclass(frozen=True)
class Release:
    """A version that can be run."""

    name: str
    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """What it is set to that the others call otherwise."""
    readiness: str = "/readyz"
    """What a balancer asks while it runs on the schema of the next version."""

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of its processes."""
        return {**given, **self.settings, "PYTHONPATH": str(self.directory / "src")}

    async def command(self, given: Mapping[str, str], *arguments: str) -> str:
        """What a command of it says, which must succeed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLI, *arguments, env=self.environment(given), stdout=asyncio.subprocess.PIPE
        )
        stdout, _ = await process.communicate()
        assert process.returncode == 0
        return stdout.decode().strip()


def version_before(directory: Path) -> Release:
    """0.1.0, from the history."""
    extract(BEFORE, directory)
    throttle = {"WUTANG_THROTTLE_ACCOUNT_FREE": "100", "WUTANG_THROTTLE_ADDRESS_FREE": "1000000"}
    return Release("0.1.0", directory, throttle, readiness="/healthz")


def this_version() -> Release:
    """What is checked out."""
    throttle = {"WUTANG_THROTTLE_ACCOUNT_FAILURES": "100", "WUTANG_THROTTLE_ADDRESS_FAILURES": "1000000"}
    return Release("this version", ROOT, throttle)


def version_after(directory: Path) -> Release:
    """This version with two migrations more: a column of `sessions`, and an index, built concurrently."""
    this = this_version()
    shutil.copytree(ROOT / "src", directory / "src", ignore=shutil.ignore_patterns("__pycache__"))
    add_migrations(directory / "alembic")
    return Release("the next version", directory, this.settings)


def extract(commit: str, directory: Path) -> None:
    """The files of a commit."""
    directory.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"the history does not reach back to {commit}: git fetch --unshallow"
    subprocess.run(["tar", "-x", "-C", str(directory)], input=archive.stdout, check=True)
