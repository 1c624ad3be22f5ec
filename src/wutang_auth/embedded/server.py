"""One server for a data directory: started, shared, stopped."""

# ruff: noqa: S603 - every command is put together here, from no one's input, and without a shell

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from wutang_auth.embedded.account import Account
from wutang_auth.embedded.programs import POLL_SECONDS, START_SECONDS, EmbeddedError, Programs, find_binaries

_NAME = "wutang"  # of the superuser and of the database
_SOCKET_NAME = ".s.PGSQL.5432"
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")  # the shortest question (PostgreSQL, Message Formats)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, immediate, not its choice
_SETTINGS = {
    "listen_addresses": "",  # SECURITY: it trusts whoever connects, so the one way in is a directory of mode 0700
    "port": "5432",  # the number in the socket's name; otherwise PGPORT decides
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")


class EmbeddedPostgres:
    """PostgreSQL in a directory: a child of this process, or of another one that uses the same directory.

    The server ends with the process that started it, however that ends; `attached` is true where it is another process.
    `durable=False` is for tests: quicker, but a crash of the machine may ruin the cluster. `settings` are those of
    postgresql.conf, and the process that starts the server decides them. `stop_seconds` is how long `stop` waits after
    SIGINT, SIGQUIT and SIGKILL, each sent if the one before did not help.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] = {},
        stop_seconds: tuple[float, float, float] = (15.0, 5.0, 5.0),
    ) -> None:
        self.attached = False
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._unfinished = self._data_dir / "postgres.unfinished"
        self._socket_link = self._data_dir / "postgres.socket"
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), **settings}
        self._stop_seconds = stop_seconds
        self._socket_dir: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._owner_pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, or attach to the one that another process runs in the same data directory.

        Raises:
            EmbeddedError: there are no binaries, the directory is of no use, or no server is ready within a minute.
        """
        if self._server is not None and self._server.returncode is None:
            return
        deadline = time.monotonic() + START_SECONDS
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _open_private(self._data_dir / "postgres.lock") as lock:
                while not _take(lock):
                    if self._attach():
                        return
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"Another process has the database in {self._data_dir}, but its server does not answer: "
                            "end that process, then try again."
                        )
                    time.sleep(POLL_SECONDS)
                with _open_private(self._data_dir / "postgres.log") as log:
                    binaries = find_binaries()
                    account = Account.choose(binaries, self._data_dir, self._cluster)
                    self._start(Programs(binaries, account, lock, log, log.tell(), deadline))
        except OSError as error:
            raise EmbeddedError(f"No database in {self._data_dir}: {error}. Try another directory or user.") from error

    def stop(self) -> None:
        """Stop the server with all its connections if this object started it; otherwise only forget it."""
        server, self._server = self._server, None
        self.attached = False
        # A fork of the owner has a copy of the object, but no right to its server
        if server is None or self._owner_pid != os.getpid():
            return
        for number, seconds in zip(_STOP_SIGNALS, self._stop_seconds, strict=True):
            server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(seconds)
                break
        if self._socket_dir is not None and self._socket_dir != self._socket_link:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

    @property
    def pid(self) -> int | None:
        """The server's process, where this object started it and it runs."""
        return None if self._server is None or self._server.returncode is not None else self._server.pid

    def url(self, database: str = _NAME) -> str:
        """The URL of a database on the server.

        Raises:
            EmbeddedError: the server was not started.
        """
        if self._socket_dir is None:
            raise EmbeddedError("The embedded PostgreSQL has no URL before it is started.")
        host = quote(str(self._socket_dir), safe="")
        # With the port, because clients ask PGPORT where there is none
        return f"postgresql://{_NAME}@/{quote(database, safe='')}?host={host}&port=5432"

    def _attach(self) -> bool:
        link = self._socket_link
        try:
            socket_dir = link.readlink() if link.is_symlink() else link
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(socket_dir / _SOCKET_NAME))
                client.sendall(_SSL_REQUEST)
                # The last children of a killed server may hold its socket, and its postmaster.pid says "ready" still
                answers = client.recv(1) != b""
        except OSError:
            return False
        if not answers or self._ready_pid() is None:
            return False
        self.attached, self._socket_dir = True, socket_dir
        return True

    def _ready_pid(self) -> int | None:
        """The pid of the server that says in postmaster.pid, first and last line, that it takes connections."""
        try:
            words = (self._cluster / "postmaster.pid").read_bytes().split()
        except FileNotFoundError:
            return None
        return int(words[0]) if words and words[-1] == b"ready" else None

    def _start(self, programs: Programs) -> None:
        if self._cluster.exists():
            self._check_cluster(programs.binaries)
        else:
            self._make_cluster(programs)
        programs.account.own(self._cluster)
        # No process of an earlier server lives when the lock is free, whoever has the pid in its postmaster.pid now
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._socket_dir = self._make_socket_dir(programs.account)
        settings = {**self._settings, "unix_socket_directories": str(self._socket_dir)}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        self.attached, self._owner_pid = False, os.getpid()
        try:
            self._server = programs.spawn("postgres", "-D", str(self._cluster), *options)
            while self._ready_pid() != self._server.pid:
                programs.wait(self._server)
        except BaseException:
            self.stop()
            raise

    def _check_cluster(self, binaries: Path) -> None:
        version_file = self._cluster / "PG_VERSION"
        if not version_file.exists():
            raise EmbeddedError(f"{self._cluster} is not a PostgreSQL cluster: move it, or choose another directory.")
        made_by = version_file.read_text().strip()
        run = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
        if not re.search(rf"\(PostgreSQL\) {re.escape(made_by)}\b", run.stdout):
            raise EmbeddedError(
                f"{self._cluster} was made by PostgreSQL {made_by}, which {run.stdout.strip()} cannot read: "
                f"move it to begin with an empty database, or install PostgreSQL {made_by}."
            )
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self._cluster / "postmaster.pid").read_bytes().split()[0])
            # A server started by hand is not behind the lock. It works in its cluster; who inherits a pid does not
            if Path(f"/proc/{pid}/cwd").samefile(self._cluster):
                raise EmbeddedError(f"PostgreSQL runs in {self._cluster} already: end process {pid}, then try again.")

    def _make_cluster(self, programs: Programs) -> None:
        if self._unfinished.exists():
            shutil.rmtree(self._unfinished)
        self._unfinished.mkdir(mode=0o700)
        programs.account.own(self._unfinished)
        # The locale C takes all of Unicode, sorts by code point, and is the same on every machine
        options = ["-U", _NAME, "-A", "trust", "-E", "UTF8", "--locale=C", *([] if self._durable else ["--no-sync"])]
        programs.run("initdb", "-D", str(self._unfinished), *options)
        # A single-user server needs neither a client nor a socket, and ends with its input
        options = ["-c", "exit_on_error=on", "-c", f"fsync={'on' if self._durable else 'off'}", "postgres"]
        programs.run("postgres", "--single", "-D", str(self._unfinished), *options, say=f"CREATE DATABASE {_NAME}\n")
        self._unfinished.rename(self._cluster)

    def _make_socket_dir(self, account: Account) -> Path:
        link = self._socket_link
        if link.is_symlink():
            with contextlib.suppress(OSError):
                link.readlink().rmdir()
            link.unlink()
        elif link.exists():
            # The lock file that a killed server left keeps the next one away where its pid lives again
            for leftover in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
                (link / leftover).unlink(missing_ok=True)
            link.rmdir()
        if _fits(link):
            socket_dir = link
            socket_dir.mkdir(mode=0o700)
        else:
            parents = [tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp is safe there
            parent = next(parent for parent in parents if _fits(Path(parent, "wutang-12345678")))
            socket_dir = Path(tempfile.mkdtemp(prefix="wutang-", dir=parent))
            link.symlink_to(socket_dir)
        if account.way != "nobody" or sys.platform != "linux":
            account.own(socket_dir)  # SECURITY: but a server that may write anywhere is for root alone to connect to
        return socket_dir


def _open_private(path: Path) -> IO[bytes]:
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))


def _take(lock: IO[bytes]) -> bool:
    """Take the lock unless somebody has it. Children inherit it (flock(2)): it is free when the last one is gone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits(socket_dir: Path) -> bool:
    # macOS allows 103 bytes (unix(4)); commas, quotes and colons mean something in lists of directories and of hosts
    path = str(socket_dir / _SOCKET_NAME)
    return len(path) <= 103 and re.fullmatch(r"[\w./+~-]+", path, re.ASCII) is not None
