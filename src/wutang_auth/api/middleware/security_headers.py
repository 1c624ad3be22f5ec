"""The headers that every answer carries, whoever made it."""

from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wutang_auth.api.paths import route_path
from wutang_auth.context import request_context

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_PRIVATE_PATHS: Final = ("/api/auth", "/api/users")
_PRIVATE_HEADERS: Final = (*SECURITY_HEADERS, (b"cache-control", b"no-store"))
_CLOSE: Final = (b"connection", b"close")


class SecurityHeadersMiddleware:
    """Adds them, `Cache-Control: no-store` where an answer is about a user, and `Connection: close` before a stop.

    With them the request's id: a layer of its own would make one more list of headers for every answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        headers = _PRIVATE_HEADERS if route_path(scope).startswith(_PRIVATE_PATHS) else SECURITY_HEADERS
        if scope["app"].state["is_draining"]:  # State finds an attribute six times as slowly
            headers = (*headers, _CLOSE)
        request_id = (request_context.get().request_id or "").encode()

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers, (b"x-request-id", request_id)]
            return send(message)

        return self._app(scope, receive, send_with_headers)
