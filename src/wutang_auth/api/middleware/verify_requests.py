"""Requests of gateways about those of their clients: every method and every path below is one route."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wutang_auth.api.paths import VERIFY, is_for_verify, route_path


class VerifyRequestsMiddleware:
    """Shows `GET /api/auth/verify` to the routes, whatever method was sent and however the path goes on.

    Below that path the query is that of the gateway's client, and is not shown.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http" or not is_for_verify(scope):
            return self._app(scope, receive, send)
        rest = route_path(scope)[len(VERIFY) :]
        # SECURITY: a gateway may announce its client's body and not send it; what comes next on this connection would
        # be taken for that body, so nothing may come next
        is_last = any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )
        if scope["method"] == "GET" and not rest and not is_last:
            return self._app(scope, receive, send)
        sent = {name: scope[name] for name in ("method", "path", "query_string")}
        shown = {**scope, "method": "GET", "path": sent["path"].removesuffix(rest)}
        if rest:
            shown["query_string"] = b""

        def send_and_tell(message: Message) -> Awaitable[None]:
            scope.update(shown, **sent)  # which route it was, for the server and other middleware
            if is_last and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            return send(message)

        return self._app(shown, receive, send_and_tell)
