"""The duration of each request, where metrics are on."""

from collections.abc import Awaitable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class MetricsMiddleware:
    """Has each request counted, with its method, route and status, when its answer is complete; the outermost layer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        status = 0
        started = perf_counter()

        def send_and_count(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                # SECURITY: the route's template, not the path, which holds ids and whatever a client likes
                route = getattr(scope.get("route"), "path", "")
                scope["app"].metrics.observe_request(scope["method"], route, status, perf_counter() - started)
            return send(message)

        return self._app(scope, receive, send_and_count)
