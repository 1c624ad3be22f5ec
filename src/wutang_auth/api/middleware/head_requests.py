"""HEAD: answered as GET (RFC 9110 section 9.3.2), of which the server leaves the content out."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequestsMiddleware:
    """Shows GET to the routes where the client sent HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)
        shown = {**scope, "method": "GET"}

        def send_and_tell(message: Message) -> Awaitable[None]:
            scope.update(shown, method="HEAD")  # which route it was, for the server and other middleware
            return send(message)

        return self._app(shown, receive, send_and_tell)
