"""Exceptions that were answered: they end here."""

from starlette.types import ASGIApp, Receive, Scope, Send


class AnsweredErrorsMiddleware:
    """Ends an exception that FastAPI's outermost layer has answered and had logged, and then raises again.

    That is for servers that would log its traceback. SECURITY: tracebacks quote values.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
