"""Debian's programs in a directory of their own, by the files of deploy/high-availability, and never as root."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.cluster import free_port
from wutang_auth.embedded.account import Account

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy"
POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
STOP_SECONDS = 20.0
PORTS = (
    "12379", "12380", "5500", "5501", "5502", "6501", "8001", "8002", "8080", "8081", "8501", "8502",
    "9090", "9464", "9465",
)  # fmt: skip
"""Those that the files and the page name."""
_PORT = re.compile(rf"\b({'|'.join(PORTS)})\b")
_PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"


class Site:
    """A directory with copies of the files, in which free ports stand for those that they name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports: dict[str, int] = {}
        """By those of the files."""
        for port in PORTS:
            while (free := free_port()) in self.ports.values():
                pass
            self.ports[port] = free
        self.passwords = {role: secrets.token_hex(16) for role in ("postgres", "replicator", "wutang")}
        self._account = Account.choose(POSTGRESQL, directory, directory / "one")

    def moved(self, text: str) -> str:
        """The text with this site's ports and directory."""
        return _PORT.sub(lambda found: str(self.ports[found[0]]), text).replace("/srv", str(self.directory))

    def copy(self, folder: str, to: Path) -> None:
        """Put the files of this folder of deploy there."""
        to.mkdir(parents=True, exist_ok=True)
        for path in (DEPLOYED / folder).iterdir():
            (to / path.name).write_text(self.moved(path.read_text("utf-8")), "utf-8")

    def hand_over(self) -> None:
        """Give all files to the account that the programs run as."""
        self._account.own(self.directory)

    def environment(self) -> dict[str, str]:
        """That of the programs."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WUTANG_"))}
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            inherited.pop(name, None)
            inherited.pop(name.upper(), None)
        return inherited | {
            "PATH": _PATH,
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "PATRONI_SUPERUSER_PASSWORD": self.passwords["postgres"],
            "PATRONI_REPLICATION_PASSWORD": self.passwords["replicator"],
        }

    async def start(self, name: str, *command: str, cwd: Path | None = None) -> "Program":
        """Start a program, whose output goes to NAME.log."""
        found = shutil.which(command[0], path=_PATH)
        assert found is not None, f"{command[0]} is not installed; `make ha` installs it"
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *self._account.command(found, *command[1:]), cwd=cwd or self.directory, env=self.environment(),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        return Program(process, log)

    async def run(self, *command: str) -> str:
        """Run a program to its end; what it wrote."""
        log = self.directory / f"{time.monotonic_ns()}.log"
        program = await self.start(log.stem, *command)
        assert await asyncio.wait_for(program.process.wait(), 60) == 0, log.read_text()
        return log.read_text()


@dataclass
class Program:
    """A running program, which leads a session and a process group of its own."""

    process: asyncio.subprocess.Process
    log: Path

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and whatever of its group is left then."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def running(site: Site, name: str, *command: str) -> AsyncIterator[Program]:
    """A program for as long as the block runs."""
    program = await site.start(name, *command)
    try:
        yield program
    finally:
        await program.stop()


def postmaster_of(data: Path) -> int | None:
    """The process id of the PostgreSQL that serves this directory."""
    with suppress(OSError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        if Path(f"/proc/{pid}/cwd").resolve() == data.resolve():
            return pid
    return None


async def end_postgresql(data: Path) -> None:
    """End what Patroni left: it starts PostgreSQL in a session of its own."""
    deadline = time.monotonic() + STOP_SECONDS
    while (pid := postmaster_of(data)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL)
        await asyncio.sleep(0.2)


async def listening(port: int, program: Program, seconds: float = 30.0) -> None:
    """Wait until a program listens."""
    deadline = time.monotonic() + seconds
    while True:
        assert program.process.returncode is None, program.log.read_text()[-2000:]
        assert time.monotonic() < deadline, program.log.read_text()[-2000:]
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            await asyncio.sleep(0.05)
