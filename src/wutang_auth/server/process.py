"""The server's processes: how they are tuned, how they start, and a stop that drops nothing."""

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import multiprocess

from wutang_auth.observability import logs
from wutang_auth.server.http import Protocol
from wutang_auth.settings import LogSettings, Settings

logger = logging.getLogger(__name__)

_GRACEFUL_SECONDS = 20
_START_SECONDS = 15  # a worker answers its supervisor when it has been imported, which a busy machine takes long for
_HASH_NICENESS = 10
_GC_THRESHOLD = (20_000, 20, 10)
_M_ARENA_MAX = -8  # malloc.h


class Config(uvicorn.Config):
    """uvicorn's configuration, with our log in each process, workers and their supervisor alike."""

    def __init__(self, app: FastAPI | str, log_settings: LogSettings, **options: Any) -> None:
        self._log_settings = log_settings
        super().__init__(app, **options)

    def configure_logging(self) -> None:
        """What uvicorn calls here and then first of all in each worker."""
        logs.configure(self._log_settings)
        super().configure_logging()  # after ours, which would switch the access log on again


class Server(uvicorn.Server):
    """uvicorn's server, which says that it is about to stop before it does, and then exits with 0."""

    _stop_at: float | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; what stops it before its time is one line of the log, instead of what the interpreter would print."""
        try:
            super().run(sockets)
        except SystemExit as stop:
            if not isinstance(stop.code, str):
                raise
            logger.critical(stop.code.removeprefix("wutang-auth: "))
            raise SystemExit(1) from None
        except Exception:
            logger.critical("the server failed", exc_info=True)
            raise SystemExit(1) from None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, with this process tuned for it."""
        _use_one_heap()
        await super().startup(sockets)
        _tune_collector()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First SIGTERM: no longer ready, but serving while load balancers notice. SIGINT or a second one: stop."""
        app = self._app()
        if sig == signal.SIGTERM and app is not None:
            if not app.state.is_draining:
                app.state.is_draining = True
                self._stop_at = time.monotonic() + app.state.settings.drain_seconds
                return
            if multiprocessing.parent_process() is not None:
                return  # whoever sends it to all processes, and then the supervisor, mean the same one
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:  # noqa: D102
        now = time.monotonic()
        if self._stop_at is not None and now >= self._stop_at:
            self.should_exit = True
        parent = multiprocessing.parent_process()
        if parent is not None and os.getppid() != parent.pid:
            self.should_exit = True  # a worker does not outlive a killed supervisor
        app = self._app()
        if counter % 10 == 0 and app is not None:
            limit = app.state.settings.receive_timeout
            for connection in list(self.server_state.connections):
                if isinstance(connection, Protocol) and connection.is_overdue(now, limit):
                    connection.transport.abort()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals without uvicorn's raising them again at the end, which would skip every `finally`."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()

    def _app(self) -> FastAPI | None:
        app = getattr(self.config, "loaded_app", None)
        while app is not None and not isinstance(app, FastAPI):
            app = getattr(app, "app", None)
        return app


# uvicorn's supervisor makes the workers' servers by this name and knows no other way to be given ours
multiprocess.Server = Server  # type: ignore[attr-defined]


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor, which does not hold the door open when everyone has left."""

    def terminate_all(self) -> None:
        """Let the workers finish; the last one closes the socket for good.

        While this process kept it, new connections would be taken by nobody and answered never.
        """
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens here.

    Raises:
        OSError: the port is taken, or the host is none of ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.set_inheritable(True)
    except OSError:
        listener.close()
        raise
    return listener


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, whose threads that hash leave the processor to the event loop; its settings as in `main`."""
    from wutang_auth import main  # late: a supervisor needs no application

    return main.create_app(settings, hash_thread_initializer=_lower_thread_priority)


def run(settings: Settings, listener: socket.socket, *, app: FastAPI | None = None, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT; several workers make their own app from the environment."""
    config = Config(
        app or f"{__name__}:create_app",
        # not all settings: workers are sent these, and have secrets from the environment themselves
        LogSettings.model_construct(log_format=settings.log_format, log_level=settings.log_level),
        factory=app is None,
        http=Protocol,
        ws="none",
        lifespan="on",
        loop="auto",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        # SECURITY: uvicorn would believe X-Forwarded-For by its own rules; ours are in api/middleware
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        timeout_worker_healthcheck=_START_SECONDS,
    )
    if workers > 1:
        Supervisor(config, sockets=[listener]).run()
    else:
        Server(config).run(sockets=[listener])


def _lower_thread_priority() -> None:
    if sys.platform == "linux":  # which gives each thread a niceness of its own; elsewhere this number is no thread's
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _HASH_NICENESS)


def _use_one_heap() -> None:
    """Let threads hash in the main heap; of the heaps that glibc would give them, malloc_trim leaves the top."""
    with suppress(OSError, AttributeError):  # other C libraries have neither this function nor the need
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _tune_collector() -> None:
    """Let the garbage collector leave out what was made until now, which lives as long as the process.

    It is not looked through once more before, since that takes longer than the rest of the start and finds nothing.
    """
    gc.freeze()
    # a request makes hardly any cycles: looking for them after every 700 objects is most of what the collector costs
    gc.set_threshold(*_GC_THRESHOLD)
