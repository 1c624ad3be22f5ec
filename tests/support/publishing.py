"""A small server that publishes keys and revocations as the service does, and misbehaves when it is told to."""

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from pydantic_core import to_json

from support.tokens import Forge
from wutang_auth.fields import Authentication
from wutang_auth.settings import Settings, load
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing
from wutang_auth_verifier import Verifier

Follow = Callable[..., Verifier]
"""What the fixture `follow` gives: it starts a verifier with other arguments, given by keyword."""
AskedAgain = Callable[[], None]
"""What the fixture `asked_again` gives: it returns once the verifier has asked anew, and was answered."""
Answer = tuple[int, dict[str, str], bytes]
SETTINGS = load(Settings, _env_file=None, database_url="postgresql://nowhere/none", keys_file=Path("none"))
REVOCATIONS = "/.well-known/revocations"
KEYS = "/.well-known/jwks.json"


@dataclass
class Publisher:
    """What is published, by which key; each attribute may be changed while it serves."""

    ring: KeyRing = field(default_factory=KeyRing.generate)
    revoked: list[str | tuple[int, int]] = field(default_factory=list)
    """Session ids, and users with the second up to which their tokens are refused; a cursor counts them."""
    claims: dict[str, Any] = field(default_factory=dict)
    """What documents say instead; `...` leaves a claim out."""
    header: dict[str, Any] = field(default_factory=dict)
    signer: KeyRing | None = None
    """Signs documents instead of the published ring."""
    answer: Callable[[str], Answer | None] = lambda _path: None
    """Answers instead, where it does."""
    with_etag: bool = True
    asked: list[str] = field(default_factory=list)
    """Each request's path and query, with its status before it."""
    base_url: str = ""

    def issue(
        self,
        *,
        user_id: int = 1,
        session_id: UUID | None = None,
        scopes: tuple[str, ...] = (),
        proof: Authentication | None = None,
    ) -> str:
        """An access token as the service would issue it."""
        return self.pair(user_id, session_id or uuid4(), scopes, proof)[0]

    def pair(
        self, user_id: int, session_id: UUID, scopes: tuple[str, ...] = (), proof: Authentication | None = None
    ) -> tuple[str, str]:
        """An access and a refresh token."""
        pair = Tokens(SETTINGS, self.ring).issue(
            user_id=user_id, session_id=session_id, generation=0, scopes=[*scopes], session_lifetime=3600,
            authentication=proof,
        )  # fmt: skip
        return pair.access_token, pair.refresh_token

    def document(self, after: str | None) -> str:
        """The signed document for this cursor."""
        known = after is not None and after.isdecimal() and int(after) <= len(self.revoked)
        news = self.revoked[int(after or 0) if known else 0 :]
        now = int(time.time())
        users: dict[str, int] = {}
        for one in news:
            if isinstance(one, tuple):
                users[str(one[0])] = one[1]
        claims = {
            "iss": "wutang-auth", "iat": now - 5, "exp": now + 60, "ttl": 2, "next": str(len(self.revoked)),
            "sessions": [one for one in news if isinstance(one, str)], "users": users, **self.claims,
        }  # fmt: skip
        key = (self.signer or self.ring).active
        header = {"alg": key.alg, "typ": "revocations+jwt", "kid": key.kid, **self.header}
        kept = {name: value for name, value in claims.items() if value is not ...}
        return Forge(key).sign(header, kept)

    def respond(self, path: str, if_none_match: str | None) -> Answer:
        """The answer to a request."""
        told = self.answer(path)
        if told is not None:
            return told
        url = urlsplit(path)
        if url.path == KEYS:
            return 200, {"Content-Type": "application/jwk-set+json"}, to_json(self.ring.jwks())
        if url.path != REVOCATIONS:
            return 404, {}, b""
        after = parse_qs(url.query).get("after", [None])[0]
        etag = f'"{after}-{len(self.revoked)}-{int(time.time() / 20)}"'
        if self.with_etag and if_none_match == etag:
            return 304, {"ETag": etag}, b""
        headers = {"Content-Type": "application/jwt", "Content-Encoding": "gzip"} | (
            {"ETag": etag} if self.with_etag else {}
        )
        return 200, headers, gzip.compress(self.document(after).encode())


def eventually(is_so: Callable[[], bool]) -> None:
    """Return once it is so."""
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until, "it never was"
        time.sleep(0.01)


@contextmanager
def publishing(publisher: Publisher, tls: ssl.SSLContext | None = None) -> Iterator[Publisher]:
    """Serve what it publishes, on a free port, by TLS if there is a context for it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def do_GET(self) -> None:
            status, headers, body = publisher.respond(self.path, self.headers.get("If-None-Match"))
            publisher.asked.append(f"{status} {self.path}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    publisher.base_url = f"http://127.0.0.1:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        publisher.base_url = f"https://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
