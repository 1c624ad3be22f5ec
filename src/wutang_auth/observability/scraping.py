"""The listener that Prometheus asks: `GET /metrics` in HTTP/1.1, and nothing else."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from wutang_auth.errors import in_words

logger = logging.getLogger(__name__)

_PORTS = 256  # the most workers that `serve` has
_MAX_HEAD = 8192  # bytes
_SECONDS = 10.0  # for a request and its answer: as long as Prometheus waits

Exposition = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def scraped(exposition: Exposition, host: str, first_port: int) -> AsyncIterator[None]:
    """Answer Prometheus for as long as the block runs, at the first free port; without one the log says so."""
    try:
        listener = _listen(host, first_port)
    except OSError as error:
        # nobody is refused a login because nothing can be measured
        logger.error(
            "no metrics: cannot listen on %s from port %d on: %s; change WUTANG_METRICS_HOST or WUTANG_METRICS_PORT",
            host, first_port, in_words(error),
        )  # fmt: skip
        yield
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await _answer(head, exposition))
                    await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, sock=listener, limit=_MAX_HEAD)
    logger.info("metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, listener.getsockname()[1])
    try:
        yield
    finally:
        server.close()


def _listen(host: str, first_port: int) -> socket.socket:
    """A socket at the first free port.

    Raises:
        OSError: none of them is free, or the host is none of ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first_port, min(first_port + _PORTS, 65_536)):
        try:
            return socket.create_server((host, port), family=family, backlog=16)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "each is in use")


async def _answer(head: bytes, exposition: Exposition) -> bytes:
    method, _, rest = head.partition(b" ")
    target = rest.partition(b" ")[0].partition(b"?")[0]
    if target != b"/metrics":
        return _response("404 Not Found", b"only /metrics is here\n")
    if method != b"GET":
        return _response("405 Method Not Allowed", b"only GET is answered\n", "Allow: GET\r\n")
    return _response("200 OK", await exposition())


def _response(status: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
