"""The protected service of the tests: it says what reached it."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Orders(ThreadingHTTPServer):
    """A server on a free port that counts its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.requests = 0

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server_port


class _Echo(BaseHTTPRequestHandler):
    """Answers every request with itself as JSON, and every upgrade with the bytes that follow."""

    protocol_version = "HTTP/1.1"
    server: Orders

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.server.requests += 1
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._tunnel()
        else:
            self._tell(self._length_of_body())

    def _length_of_body(self) -> int:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        length = 0
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            length += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return length

    def _tell(self, length: int) -> None:
        # not self.path, which the library tidies up
        target = self.raw_requestline.split()[1].decode()
        seen = {"method": self.command, "target": target, "headers": self.headers.items(), "length": length}
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _tunnel(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
        self.send_header("Sec-WebSocket-Accept", b64encode(sha1(key.encode()).digest()).decode())
        self.send_header("X-Told-User-Id", self.headers.get("X-User-Id", ""))
        self.end_headers()
        self.close_connection = True
        while received := self.connection.recv(65536):
            self.connection.sendall(received)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def orders() -> Iterator[Orders]:
    """The service for as long as the block runs."""
    server = Orders()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
