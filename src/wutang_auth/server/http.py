"""HTTP/1.1 over a socket: bounds of a request's head, size and time, and the head of an answer."""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from wutang_auth.api.malformed_request import malformed_request

_MAX_HEAD = 32 * 1024
_MAX_REQUEST = 1024 * 1024


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

    def is_overdue(self, now: float, limit: float) -> bool:
        """Whether a request has been coming, or its client has read nothing, for more than so many seconds."""
        if self.waiting_since is not None and now - self.waiting_since > limit:
            return True
        unread = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, now
        return now - self._unread_since > limit

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
        headers = list(self.scope["headers"] if self._head_is_complete else self.headers or ())
        self.transport.write(malformed_request(headers, self.app.state.settings.cors_origins))
        self.transport.close()


class Cycle(RequestResponseCycle):
    """One request and its answer. A header that was sent before is neither checked nor encoded once more.

    The head of an answer waits for what follows it: uvloop would send it at once, and a segment more for each answer
    is a tenth of what one costs.
    """

    _head = b""

    async def send(self, message: Any) -> None:
        """Send a part of the answer as uvicorn does, but the head, where uvicorn need not look at it, with the next."""
        is_head = message["type"] == "http.response.start" and not self.response_started
        if is_head and not self.flow.write_paused and not self.disconnected and self._keep_head(message):
            return
        if self._head:
            head, self._head = self._head, b""
            if self.scope["method"] == "HEAD":
                self.transport.write(head)
            else:
                self.expected_content_length += len(head)
                message = {**message, "body": head + message.get("body", b"")}
        await super().send(message)

    def _keep_head(self, message: Any) -> bool:
        """Keep the head of an answer whose length is known. False: it is for uvicorn to send."""
        headers: Sequence[tuple[bytes, bytes]] = [*self.default_headers, *message.get("headers", ())]
        length = dict(headers).get(b"content-length")
        lines = [_line(name, value) for name, value in headers]
        if length is None or None in lines:
            return False
        self.response_started = True
        self.waiting_for_100_continue = False
        self.expected_content_length, self.chunked_encoding = int(length), False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self._head = b"".join([STATUS_LINE[message["status"]], *lines, end])  # type: ignore[list-item]
        return True


# uvicorn's protocol makes the cycles by this name and knows no other way to be given ours
httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]


@lru_cache(maxsize=64)
def _line(name: bytes, value: bytes) -> bytes | None:
    """A header as it is sent; None for one that uvicorn has to look at."""
    lowered = name.lower()
    # SECURITY: what is not allowed in a header is left to uvicorn, which refuses to send it
    if lowered in (b"connection", b"transfer-encoding") or HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        return None
    return b"%s: %s\r\n" % (lowered, value)
