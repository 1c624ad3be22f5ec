"""The outermost layer: what holds for every request before any route is chosen."""

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wutang_auth.api.envelope import refusal
from wutang_auth.context import RequestBudget, RequestContext, request_context
from wutang_auth.errors import AuthError, HeadTooLarge, MalformedRequest, PayloadTooLarge
from wutang_auth.settings import Network

MAX_BODY = 16 * 1024
MAX_HEAD = 16 * 1024

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]{0,255}")
_MAX_USER_AGENT = 255
_MAX_HOPS = 32
_MAX_KEPT = 256

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_NO_STORE = (b"cache-control", b"no-store")
_PRIVATE = ("/api/auth", "/api/users")


@dataclass(slots=True)
class _Head:
    """What the edge needs of a request's head, found in one pass."""

    size: int
    hosts: int
    content_types: int
    request_id: bytes | None
    user_agent: bytes | None
    content_length: bytes | None
    forwarded_for: bytes

    @classmethod
    def of(cls, scope: Scope) -> "_Head":
        size = len(scope["path"]) + len(scope["query_string"])
        hosts = content_types = 0
        request_id = user_agent = content_length = None
        forwarded_for = b""
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1 if _HOST.fullmatch(value) else 2
            elif name == b"user-agent":
                user_agent = value
            elif name == b"content-length":
                content_length = value
            elif name == b"content-type":
                content_types += 1
            elif name == b"x-request-id":
                request_id = value if _REQUEST_ID.fullmatch(value) else None
            elif name == b"x-forwarded-for":
                forwarded_for += b"," + value
        return cls(size, hosts, content_types, request_id, user_agent, content_length, forwarded_for)

    def refused(self, http_version: str) -> AuthError | None:
        """Why this request goes no further."""
        if self.size > MAX_HEAD:
            return HeadTooLarge()
        # RFC 9112 section 3.2: exactly one Host in HTTP/1.1; RFC 9110 section 5.3: one Content-Type
        if self.hosts > 1 or (self.hosts == 0 and http_version == "1.1") or self.content_types > 1:
            return MalformedRequest()
        length = self.content_length
        if length is not None and (not _CONTENT_LENGTH.fullmatch(length) or int(length) > MAX_BODY):
            return PayloadTooLarge()
        return None


class Edge:
    """Gives each request an id and an origin, bounds its head and body, and gives each answer its headers."""

    def __init__(self, app: ASGIApp, *, trusted_proxies: Sequence[Network], database_seconds: float) -> None:
        self._app = app
        self._trusted_proxies = tuple(trusted_proxies)
        self._database_seconds = database_seconds
        self._prefix = secrets.token_hex(4).encode()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = _Head.of(scope)
        request_id = head.request_id or b"%s%08x" % (self._prefix, next(self._numbers))
        address = self._address(scope, head.forwarded_for)
        budget = RequestBudget(self._database_seconds)
        request_context.set(RequestContext(request_id.decode(), address, _printable(head.user_agent), budget))

        extra = [(b"x-request-id", request_id), *_SECURITY_HEADERS]
        if scope["path"].startswith(_PRIVATE):
            extra.append(_NO_STORE)
        if scope["app"].state.is_draining:
            extra.append((b"connection", b"close"))
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        refused = head.refused(scope["http_version"])
        if refused is not None:
            await refusal(Request(scope), refused)(scope, receive, send_with_headers)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # RFC 9110 section 9.3.2; the server leaves the content out
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # the handler of bugs has answered and logged; Starlette raises again for servers that would not
            if not started:
                raise

    def _address(self, scope: Scope, forwarded_for: bytes) -> str | None:
        peer: str | None = scope["client"][0] if scope.get("client") else None
        if peer is not None and peer.startswith("::ffff:"):  # IPv4, on a socket that listens for both
            peer = _parsed_address(peer) or peer
        if not forwarded_for or not self._trusted_proxies:
            return peer
        # SECURITY: what a client can make long is not kept
        find = _known_address if len(forwarded_for) <= _MAX_KEPT else client_address
        return find(peer, forwarded_for, self._trusted_proxies)


def client_address(peer: str | None, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str | None:
    """Where a request comes from: the nearest address that is not one of our proxies.

    `X-Forwarded-For` is read from right to left, since only its right end was written by proxies that we trust; what a
    client wrote itself is to the left of that.
    """
    address = peer
    hops = forwarded_for.decode("latin-1").split(",")
    for hop in reversed(hops[-_MAX_HOPS:]):
        if address is None or not _is_trusted(address, trusted):
            break
        parsed = _parsed_address(hop.strip())
        if parsed is None:
            break
        address = parsed
    return address


_known_address = lru_cache(maxsize=4096)(client_address)


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def _parsed_address(hop: str) -> str | None:
    """An address without port and brackets, in its canonical form; None for anything else."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ipaddress.ip_address(hop)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _printable(user_agent: bytes | None) -> str | None:
    if not user_agent:
        return None
    text = user_agent[:_MAX_USER_AGENT].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
