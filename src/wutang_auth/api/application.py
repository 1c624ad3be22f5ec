"""FastAPI as this service uses it: with layers around all of it, and its own OpenAPI document."""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, request_response
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from wutang_auth.observability.metrics import Metrics  # not imported where metrics are off


class Application(FastAPI):
    """FastAPI with the service's own middleware around all of it."""

    outer_middleware: Sequence[Middleware] = ()
    """Outermost first. `add_middleware` would leave FastAPI's own 500 outside of it."""
    metrics: "Metrics | None" = None
    """Where requests are counted; not in `state`, which takes a microsecond to look into."""
    needs_fastapi_call = True
    """Whether FastAPI's own `__call__` has something to do: for a root path, or for OpenTelemetry."""

    def serve_routes(self, router: APIRouter) -> None:
        """Serve the routes of a router as they are.

        `include_router` would make each of them once more, its models too, which is most of the time of a start.
        """
        for route in router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101 -- our routers have no other
            own = copy(route)
            own.dependency_overrides_provider = self
            own.app = request_response(own.get_route_handler())
            self.router.routes.append(own)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, built once."""
        if self.openapi_schema is None:
            from wutang_auth.api.documentation import openapi  # half a megabyte that most workers never need

            self.openapi_schema = openapi.build(self)
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; without OpenTelemetry's SDK directly, since FastAPI would look for it at every request."""
        if scope["type"] == "http" and self.middleware_stack is not None and not self.needs_fastapi_call:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The service's layers, then FastAPI's with what `add_middleware` has added."""
        stack = super().build_middleware_stack()
        for middleware, arguments, options in reversed(self.outer_middleware):
            stack = middleware(stack, *arguments, **options)
        return stack
