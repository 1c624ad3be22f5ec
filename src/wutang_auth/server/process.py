"""The server: uvicorn with bounded heads, bounded patience and a stop that drops nothing."""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import httptools
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import multiprocess

from wutang_auth.observability import logs
from wutang_auth.settings import Settings

logger = logging.getLogger(__name__)

_MAX_HEAD = 32 * 1024
_MAX_REQUEST = 1024 * 1024
_REQUEST_SECONDS = 15.0
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SECONDS = 20
_MALFORMED = b'{"code":10001,"message":"\xe5\x8f\x82\xe6\x95\xb0\xe6\x9c\x89\xe8\xaf\xaf","data":null,"errors":[]}'


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that gives no one forever: neither bytes for a request nor seconds."""

    waiting_since: float | None = None
    """When the first byte of a request came whose last has not; None between requests."""
    _bytes = 0
    """How much of a request that is not complete has come."""
    _head_is_complete = False
    _asks_for_upgrade = False
    _unread = 0
    """How much of its answers the client had not read when this was looked at last."""
    _unread_since = 0.0

    def connection_made(self, transport: Any) -> None:  # noqa: D102
        super().connection_made(transport)
        self.waiting_since = time.monotonic()

    def is_overdue(self, now: float) -> bool:
        """Whether a request has been coming for too long, or its client has read nothing for too long."""
        if self.waiting_since is not None and now - self.waiting_since > _REQUEST_SECONDS:
            return True
        unread = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, now
        return now - self._unread_since > _REQUEST_SECONDS

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()
        self._bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if not self._head_is_complete and self._bytes > _MAX_HEAD:
            self.send_400_response("")
        elif self._bytes > _MAX_REQUEST:
            self.transport.close()  # it has its answer, and what it goes on sending is not read for ever

    def on_headers_complete(self) -> None:  # noqa: D102
        self._asks_for_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._asks_for_upgrade:
            self._head_is_complete = True
            super().on_headers_complete()
            # SECURITY: a trailer is no header (RFC 9110 section 6.5.1); proxies check and replace headers only. The
            # request has its list by now, and what the parser still finds goes to another one
            self.headers = []

    def on_message_complete(self) -> None:  # noqa: D102
        if not self._asks_for_upgrade:
            self._bytes = 0
            self._head_is_complete = False
            self.waiting_since = None
            super().on_message_complete()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse a request once more without its Upgrade, which a server may ignore (RFC 9110 section 7.8).

        Programs that hope for HTTP/2 send it, and llhttp takes what follows, the body first, for another protocol.
        """
        version = self.parser.get_http_version().encode()
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._parse(b"".join([*head, b"\r\n", rest]))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- the same answer for every malformed request
        """Answer what is not HTTP, in the envelope."""
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(_MALFORMED)
        )
        self.transport.write(head + _MALFORMED)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, which says that it is about to stop before it does, and then exits with 0."""

    _stop_at: float | None = None

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
        if counter % 10 == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Protocol) and connection.is_overdue(now):
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


def run(settings: Settings, listener: socket.socket, *, app: FastAPI | None = None, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT; several workers make their own app from the environment."""
    config = uvicorn.Config(
        app or "wutang_auth.main:create_app",
        factory=app is None,
        http=Protocol,
        ws="none",
        lifespan="on",
        loop="auto",
        workers=workers,
        log_config=logs.configuration(settings),
        log_level=None,
        access_log=False,
        server_header=False,
        # SECURITY: uvicorn would believe X-Forwarded-For by its own rules; ours are in api/middleware
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
    )
    if workers > 1:
        Supervisor(config, sockets=[listener]).run()
    else:
        Server(config).run(sockets=[listener])
