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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from load import LoadError
from machine import memory

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders"
PEERS_BIN = HERE / ".venv" / "bin"
SERVICE_BIN = HERE / ".venv-service" / "bin"

PASSWORD = "correct horse battery staple"

UVICORN = "--loop uvloop --http httptools --no-access-log --no-proxy-headers --log-level warning"
GUNICORN = "--workers 1 --worker-class gthread --keep-alive 75 --worker-tmp-dir /dev/shm --log-level warning"


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One implementation in one configuration."""

    name: str
    label: str
    script: str
    """Its file in contenders/, which fills its database when run."""
    command: str
    """With PORT in it; the first word is a program of its virtual environment."""
    signs: str
    environment: Mapping[str, str] = field(default_factory=dict)
    is_service: bool = False
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

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return SERVICE_BIN if self.is_service else PEERS_BIN


ALL = (
    Contender(
        name="service",
        label="wutang-auth",
        script="service.py",
        command="wutang-auth serve --port PORT",
        signs="ES256",
        is_service=True,
        me="/api/auth/me",
        static="/api/response_code",
        login="/api/auth/login",
        login_body='{"email":"EMAIL","password":"PASSWORD"}',
        refresh="/api/auth/refresh",
        refresh_method="PUT",
        keeps_verified=True,
    ),
    Contender(
        name="fastapi-users-jwt",
        label="fastapi-users, JWT strategy",
        script="peer_fastapi_users.py",
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
        script="peer_fastapi_users.py",
        command=f"uvicorn peer_fastapi_users:app --port PORT {UVICORN}",
        signs="random tokens",
        environment={"BENCH_STRATEGY": "database"},
        me="/users/me",
        login="/auth/login",
        login_body="username=EMAIL&password=PASSWORD",
    ),
    Contender(
        name="drf-simplejwt",
        label="Django REST framework, simplejwt",
        script="peer_drf.py",
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
        script="peer_flask.py",
        command=f"gunicorn peer_flask:app --bind 127.0.0.1:PORT --threads 4 {GUNICORN}",
        signs="ES256",
        login="/login",
        login_body='{"email":"EMAIL","password":"PASSWORD"}',
        refresh="/refresh",
    ),
    Contender(
        name="limit",
        label="limit: bare ASGI",
        script="",
        command=f"uvicorn limit:app --port PORT {UVICORN}",
        signs="ES256",
        static="/static",
        refresh="/refresh",
        refresh_method="PUT",
        keeps_verified=True,
    ),
)


class Server:
    """A contender that runs, pinned to its cores."""

    def __init__(
        self, contender: Contender, directory: Path, environment: Mapping[str, str], cores: tuple[int, ...]
    ) -> None:
        self.contender = contender
        self.directory = directory
        self.port = _free_port()
        self.fresh_tokens_used = 0
        self.environment = environment
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
        program, *arguments = self.contender.command.replace("PORT", str(self.port)).split()
        command = ["taskset", "-c", ",".join(map(str, self._cores)), str(self.contender.bin / program), *arguments]
        token = (self.directory / "access.txt").read_text().split("\n", 1)[0]
        with (self.directory / "server.log").open("ab") as log:
            begin = time.perf_counter()
            self._process = subprocess.Popen(
                command,
                cwd=CONTENDERS,
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


def _free_port() -> int:
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
