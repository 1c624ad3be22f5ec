"""A client that sends what it is told, byte for byte: odd paths, spellings and bodies that never come."""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any

TIMEOUT = 20.0
"""Seconds without a byte after which an exchange has failed."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


def head(method: str, target: str, headers: Headers = ()) -> bytes:
    """The lines before the body. A `Connection` of the caller's own replaces ours."""
    lines = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name.lower() == "connection" for name, _ in lines):
        lines.append(("Connection", "close"))
    fields = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "shop.example"), *lines])
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to a port of this machine."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        yield connection


def answer_on(connection: socket.socket, method: str = "GET") -> Answer:
    """The next answer on a connection; a 100 before it is passed over."""
    with HTTPResponse(connection, method=method) as response:
        response.begin()
        # nothing follows a 101 that HTTP could read
        return Answer(response.status, response.msg, b"" if response.status == 101 else response.read())


def call(port: int, method: str, target: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """One exchange on a connection of its own; a body is announced and sent at once."""
    lines = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    if body is not None:
        lines.append(("Content-Length", str(len(body))))
    with connected(port) as connection:
        connection.sendall(head(method, target, lines) + (body or b""))
        return answer_on(connection, method)
