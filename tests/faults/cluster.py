"""PostgreSQL servers on loopback that can be killed, frozen, restarted, cloned and promoted."""

import asyncio
import os
import random
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg

from wutang_auth.embedded.account import Account
from wutang_auth.embedded.programs import binary_directories

NAME = "wutang"
_PROGRAMS = ("initdb", "postgres", "pg_basebackup")
_START_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "wal_keep_size": "64MB",
    "dynamic_shared_memory_type": "mmap",  # kill -9 leaves nothing behind outside of the directory
    "log_line_prefix": "%m [%p] ",
    "log_statement": "none",
}


class Server:
    """One PostgreSQL server: a directory, a port, and a process or none."""

    def __init__(self, directory: Path, password: str, **settings: str) -> None:
        self.directory = directory
        self.password = password
        self.port = free_port()
        self.settings = settings
        self.log = directory.with_name(f"{directory.name}.log")
        self._account = Account.choose(binaries(), directory.parent, directory)
        self._process: asyncio.subprocess.Process | None = None
        self._frozen: Sequence[int] = ()

    @classmethod
    async def create(cls, directory: Path) -> "Server":
        """A new, empty cluster with the database NAME, running."""
        server = cls(directory, secrets.token_urlsafe(16))
        await server.initialize()
        await server.start()
        await server.execute(f"CREATE DATABASE {NAME}", database="postgres")
        return server

    async def initialize(self) -> None:
        """Make an empty cluster in the directory."""
        self._make_directory()
        password_file = self.directory.with_name("password")
        password_file.write_text(self.password)
        self._account.own(password_file)
        await self._run(
            "initdb", "-D", str(self.directory), "-U", NAME, "--auth=scram-sha-256", f"--pwfile={password_file}",
            "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def copied(self, directory: Path, **settings: str) -> "Server":
        """A copy of this server, which is stopped."""
        shutil.copytree(self.directory, directory)
        self._account.own(directory)
        return Server(directory, self.password, **settings)

    async def clone(self, directory: Path, **settings: str) -> "Server":
        """A running standby of this server."""
        standby = Server(directory, self.password, **settings)
        await standby.follow(self)
        return standby

    async def follow(self, primary: "Server") -> None:
        """Begin anew as a standby of this primary, whatever was in the directory, and run."""
        assert self._process is None
        shutil.rmtree(self.directory, ignore_errors=True)
        await self.back_up(primary, "-R")
        await self.start()

    async def back_up(self, primary: "Server", *options: str) -> None:
        """Make the directory a base backup of this primary; it does not run."""
        self._make_directory()
        await self._run(
            "pg_basebackup", "-D", str(self.directory), "-d", primary.url("postgres"), "-c", "fast", "-X", "stream",
            "--no-sync", *options,
        )  # fmt: skip

    def url(self, database: str = NAME) -> str:
        """How the administrator connects."""
        return f"postgresql://{NAME}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def execute(self, statement: str, *, database: str = NAME) -> str:
        """One statement as administrator."""
        connection = await asyncpg.connect(self.url(database), timeout=5)
        try:
            return str(await connection.execute(statement))
        finally:
            connection.terminate()

    async def fetchval(self, statement: str, *arguments: object) -> object:
        """One value as administrator."""
        connection = await asyncpg.connect(self.url(), timeout=5)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            connection.terminate()

    async def start(self) -> None:
        """Start and wait until it answers; again, while a killed predecessor's last children go."""
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        settings = {**_SETTINGS, **self.settings, "port": str(self.port)}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        while True:
            if self._process is None or self._process.returncode is not None:
                self._process = await self._spawn("postgres", "-D", str(self.directory), *options)
            try:
                await self.execute("SELECT", database="postgres")
            except (OSError, TimeoutError, asyncpg.PostgresError):
                if asyncio.get_running_loop().time() > deadline:
                    raise AssertionError(f"PostgreSQL did not start: {self.log.read_text()[-2000:]}") from None
                await asyncio.sleep(0.02)
            else:
                return

    async def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is `fast`, SIGQUIT `immediate`."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        self.thaw()
        process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def restart(self) -> None:
        """As an administrator does after a change of settings."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """As by a kill -9 of each process: nothing is said, nothing flushed."""
        self.freeze()
        process, self._process = self._process, None
        assert process is not None
        for pid in self._frozen:
            _signal(pid, signal.SIGKILL)
        await process.wait()
        self._frozen = ()

    def freeze(self) -> None:
        """Every process stops where it is. The kernel still takes connections: a black hole."""
        assert self._process is not None
        postmaster = self._process.pid
        _signal(postmaster, signal.SIGSTOP)  # first, so that it has no more children
        self._frozen = [postmaster, *children(postmaster)]
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """They go on."""
        for pid in self._frozen:
            _signal(pid, signal.SIGCONT)
        self._frozen = ()

    async def replicate_synchronously(self) -> None:
        """From now on a commit is acknowledged when a standby has it too."""
        await self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self.execute("SELECT pg_reload_conf()")
        in_step = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        while not await self.fetchval(in_step):  # noqa: ASYNC110 -- the event is in another process
            await asyncio.sleep(0.02)

    async def promote(self) -> None:
        """A standby becomes a primary."""
        await self.execute("SELECT pg_promote(wait => true)", database="postgres")

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700)
        self._account.own(self.directory)

    async def _run(self, *command: str) -> None:
        process = await self._spawn(*command)
        if await process.wait() != 0:
            raise AssertionError(f"{command[0]} failed: {self.log.read_text()[-2000:]}")

    async def _spawn(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        # it dies with this process, by SIGINT: embedded/account.py says how
        command = self._account.command(str(binaries() / program), *arguments)
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                env={**environment, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
            )  # fmt: skip


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    if sys.platform == "linux":
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(status.parent.name))
        return found
    import subprocess

    lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, lines.splitlines()) if int(parent) == pid]


def free_port() -> int:
    """A port that nobody has, and nobody gets while its server is down: outside the range of outgoing connections."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def binaries() -> Path:
    """Where PostgreSQL's programs are, those for standbys included."""
    for directory in binary_directories():
        if all(os.access(directory / program, os.X_OK) for program in _PROGRAMS):
            return directory
    raise AssertionError("There is no PostgreSQL with pg_basebackup on this machine")


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def memory() -> str | None:
    """A directory that is kept in memory, where there is one with room."""
    directory = Path("/dev/shm")
    has_room = directory.is_dir() and shutil.disk_usage(directory).free > 2 * 2**30
    return str(directory) if has_room and os.access(directory, os.W_OK) else None
