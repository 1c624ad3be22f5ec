"""HEAD: answered as GET (RFC 9110 section 9.3.2), of which the server leaves the content out."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadRequestsMiddleware:
    """Shows GET to the routes where the client sent HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: the server looks into its own
        await self._app(scope, receive, send)
