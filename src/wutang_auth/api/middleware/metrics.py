"""The duration of each request, where metrics are on."""

from collections.abc import Awaitable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class MetricsMiddleware:
    """Tells the metrics of each request by its method, route and status; the outermost layer where it is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        started = perf_counter()

        def send_and_note(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # SECURITY: the route's template, not the path, which holds ids and whatever a client likes
            route = getattr(scope.get("route"), "path", "")
            seconds = perf_counter() - started
            scope["app"].metrics.observe_request(scope["method"], route, status, seconds)
