"""The contenders: how each is started and asked."""

import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from load import LoadError
from machine import memory

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders"
PEERS_BIN = HERE / ".venv" / "bin"
SERVICE_BIN = HERE / ".venv-service" / "bin"
BEFORE = HERE / ".venv-before"

PASSWORD = "correct horse battery staple"

UVICORN = "--loop uvloop --http httptools --no-access-log --no-proxy-headers --log-level warning"
GUNICORN = "--workers 1 --worker-class gthread --keep-alive 75 --worker-tmp-dir /dev/shm --log-level warning"


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One implementation in one configuration."""

    name: str
    label: str
    fill: str
    """The command that fills its database; empty: it gets a copy of the service's."""
    command: str
    """The command that serves, with PORT in it."""
    signs: str
    environment: Mapping[str, str] = field(default_factory=dict)
    bin: Path = PEERS_BIN
    """Where the first word of its commands is, if it is not on PATH."""
    home: Path = CONTENDERS
    """Where its commands run."""
    only: tuple[str, ...] = ()
    """The measures in which it takes part; empty: all that it can."""
    me: str = "/me"
    static: str = ""
    """The path of an answer that is always the same, as all other paths empty where it has none."""
    login: str = ""
    login_body: str = ""
    """JSON, or a form, with EMAIL and PASSWORD in it."""
    refresh: str = ""
    refresh_method: str = "POST"
    refresh_in: Literal["header", "body"] = "header"
    refresh_field: str = "refresh_token"
    """The name of the new refresh token in the answer."""
    keeps_verified: bool = False
    """Whether it remembers which tokens it verified, so that `/me` with new ones is measured too."""
    other_loads: bool = False
    """Whether `/me` is measured on other numbers of connections, too."""
    verify: str = ""
    """The path that a gateway asks."""

    is_limit: bool = False
    """Whether it is no service, but what can be done at all."""

    @property
    def login_type(self) -> str:
        """The media type of its logins."""
        return "application/json" if self.login_body.startswith("{") else "application/x-www-form-urlencoded"

    def can(self, measure: str) -> bool:
        """Whether this is measured of it; `me-8` is `/me` on 8 connections."""
        has = {
            "me": bool(self.me),
            "fresh": self.keeps_verified,
            "refresh": bool(self.refresh),
            "login": bool(self.login),
            "static": bool(self.static),
            "verify": bool(self.verify),
        }
        return has.get(measure, self.other_loads) and (not self.only or measure in self.only)

    def program(self, command: str) -> list[str]:
        """A command of it as words, the first one with its path where it is a program of its own."""
        first, *others = command.split()
        own = self.bin / first
        return [str(own) if own.exists() else first, *others]


SERVICE = Contender(
    name="service",
    label="wutang-auth",
    fill="python service.py",
    command="wutang-auth serve --port PORT",
    signs="ES256",
    bin=SERVICE_BIN,
    me="/api/auth/me",
    static="/api/response_code",
    login="/api/auth/login",
    login_body='{"email":"EMAIL","password":"PASSWORD"}',
    refresh="/api/auth/refresh",
    refresh_method="PUT",
    keeps_verified=True,
    other_loads=True,
    verify="/api/auth/verify",
)
EARLIER = replace(
    SERVICE,
    name="before",
    label="wutang-auth at an earlier commit",
    bin=BEFORE / "bin",
    home=BEFORE / "source" / "benchmarks" / "contenders",
    only=("me", "me-1", "refresh", "login", "static"),
)
STALE = replace(
    SERVICE,
    name="stale",
    label="wutang-auth, from what it knew 1 s ago",
    fill="",
    environment={"WUTANG_VERIFY_STALENESS": "1"},
    only=("verify",),
)
MEASURED = replace(
    SERVICE,
    name="measured",
    label="wutang-auth, with metrics",
    fill="",
    environment={"WUTANG_METRICS_PORT": "9464"},
    only=("me",),
)
ALL = (
    SERVICE,
    STALE,
    MEASURED,
    Contender(
        name="fastapi-users-jwt",
        label="fastapi-users, JWT strategy",
        fill="python peer_fastapi_users.py",
        command=f"uvicorn peer_fastapi_users:app --port PORT {UVICORN}",
        signs="ES256",
        environment={"BENCH_STRATEGY": "jwt"},
        me="/users/me",
        login="/auth/login",
        login_body="username=EMAIL&password=PASSWORD",
    ),
    Contender(
        name="fastapi-users-database",
        label="fastapi-users, database strategy",
        fill="python peer_fastapi_users.py",
        command=f"uvicorn peer_fastapi_users:app --port PORT {UVICORN}",
        signs="random tokens",
        environment={"BENCH_STRATEGY": "database"},
        me="/users/me",
        only=("me",),  # its logins are those of the other strategy
    ),
    Contender(
        name="drf-simplejwt",
        label="Django REST framework, simplejwt",
        fill="python peer_drf.py",
        command=f"gunicorn peer_drf:application --bind 127.0.0.1:PORT --threads 4 {GUNICORN}",
        signs="ES256",
        login="/login",
        login_body='{"username":"EMAIL","password":"PASSWORD"}',
        refresh="/refresh",
        refresh_in="body",
        refresh_field="refresh",
    ),
    Contender(
        name="flask-jwt-extended",
        label="flask-jwt-extended, blocklist",
        fill="python peer_flask.py",
        command=f"gunicorn peer_flask:app --bind 127.0.0.1:PORT --threads 4 {GUNICORN}",
        signs="ES256",
        login="/login",
        login_body='{"email":"EMAIL","password":"PASSWORD"}',
        refresh="/refresh",
    ),
    Contender(
        name="fastify",
        label="Fastify by hand",
        fill="node peer_fastify.mjs fill",
        command="node peer_fastify.mjs PORT",
        signs="HS256",
        environment={"BENCH_ALGORITHM": "HS256", "NODE_ENV": "production"},
        login="/login",
        login_body='{"email":"EMAIL","password":"PASSWORD"}',
        refresh="/refresh",
        refresh_method="PUT",
        other_loads=True,
    ),
    Contender(
        name="fastify-es256",
        label="Fastify by hand, ES256",
        fill="node peer_fastify.mjs fill",
        command="node peer_fastify.mjs PORT",
        signs="ES256",
        environment={"BENCH_ALGORITHM": "ES256", "NODE_ENV": "production"},
        only=("refresh",),
        refresh="/refresh",
        refresh_method="PUT",
    ),
    *([EARLIER] if BEFORE.joinpath("installed").exists() else []),
    Contender(
        name="limit",
        label="limit: bare ASGI",
        fill="",
        command=f"uvicorn limit:app --port PORT {UVICORN}",
        signs="ES256",
        static="/static",
        refresh="/refresh",
        refresh_method="PUT",
        keeps_verified=True,
        other_loads=True,
        is_limit=True,
    ),
)


class Server:
    """A contender that runs, pinned to its cores."""

    def __init__(
        self,
        contender: Contender,
        directory: Path,
        environment: Mapping[str, str],
        cores: tuple[int, ...],
        postgres_pid: int,
    ) -> None:
        self.contender = contender
        self.directory = directory
        self.port = free_port()
        self.fresh_tokens_used = 0
        self.environment = environment
        self.postgres_pid = postgres_pid
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that was started; it may have children."""
        if self._process is None:
            raise LoadError(f"{self.contender.name} does not run")
        return self._process.pid

    def start(self) -> float:
        """Start it and wait for the first 200 from `/me`; the seconds that took.

        Raises:
            LoadError: there was none.
        """
        command = self.contender.program(self.contender.command.replace("PORT", str(self.port)))
        command = ["taskset", "-c", ",".join(map(str, self._cores)), *command]
        token = (self.directory / "access.txt").read_text().split("\n", 1)[0]
        with (self.directory / "server.log").open("ab") as log:
            begin = time.perf_counter()
            self._process = subprocess.Popen(
                command,
                cwd=self.contender.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while time.perf_counter() - begin < 60:
            if self._process.poll() is not None:
                break
            if _status(self.port, self.contender.me, token) == 200:
                return time.perf_counter() - begin
            time.sleep(0.005)
        last_words = (self.directory / "server.log").read_text(errors="replace")[-2000:]
        self.stop()
        raise LoadError(f"{self.contender.name} did not start:\n{last_words}")

    def stop(self) -> None:
        """Stop it, by force if it does not hear."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)  # SIGTERM would let requests drain
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also workers that outlive their supervisor
        process.wait()

    def memory(self) -> float:
        """Resident megabytes of its worker."""
        return memory(self.pid)


def free_port() -> int:
    """A port of the loopback address."""
    # below the ports that the system gives to outgoing connections, one of which could take it meanwhile
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LoadError("there is no free port between 20000 and 32000")


def _status(port: int, path: str, token: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
