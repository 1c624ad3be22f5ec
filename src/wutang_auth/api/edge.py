"""The outermost layer: what holds for every request before any route is chosen."""

import re
import secrets

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wutang_auth.api.envelope import refusal
from wutang_auth.audit import Origin, origin
from wutang_auth.errors import HeadTooLarge, PayloadTooLarge

MAX_BODY = 16 * 1024
MAX_HEAD = 16 * 1024

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")
_MAX_USER_AGENT = 255

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_NO_STORE = (b"cache-control", b"no-store")
_PRIVATE = ("/api/auth", "/api/users")


class Edge:
    """Gives each request an id and an origin, bounds its body, and each answer its security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = user_agent = length = None
        head_size = len(scope["path"]) + len(scope["query_string"])
        for name, value in scope["headers"]:
            head_size += len(name) + len(value)
            if name == b"x-request-id":
                request_id = value if _REQUEST_ID.fullmatch(value) else None
            elif name == b"user-agent":
                user_agent = value
            elif name == b"content-length":
                length = value
        request_id = request_id or secrets.token_hex(8).encode()
        client = scope.get("client")
        origin.set(Origin(request_id.decode(), client[0] if client else None, _printable(user_agent)))

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

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # RFC 9110 section 9.3.2; the server leaves the content out
        if head_size > MAX_HEAD:
            await refusal(Request(scope), HeadTooLarge())(scope, receive, send_with_headers)
            return
        if length is not None and (not _CONTENT_LENGTH.fullmatch(length) or int(length) > MAX_BODY):
            await refusal(Request(scope), PayloadTooLarge())(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # the handler of bugs has answered and logged; Starlette raises again for servers that would not
            if not started:
                raise


def _printable(user_agent: bytes | None) -> str | None:
    if not user_agent:
        return None
    text = user_agent[:_MAX_USER_AGENT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
