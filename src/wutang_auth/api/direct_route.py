"""Direct routes: found by a table, with their dependencies called one after the other.

FastAPI tries route after route and resolves dependencies for every kind of parameter there is; of a request that takes
only its `Authorization` header that is most of the time. A `DirectRoute` with a fixed path, whose dependencies ask for
nothing but the request and each other, is served from a table instead; inside all middleware, and with the app's own
exception handlers. FastAPI serves all other routes, and these too where `app.dependency_overrides` or OpenTelemetry is
used.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.paths import route_path

Step = tuple[Callable[..., Awaitable[Any]], list[int]]
"""A call, and its arguments: 0 is the request, 1 the result of the first step, and so on."""


class DirectRoute(APIRoute):
    """A route that may be served directly: `APIRouter(route_class=DirectRoute)`."""


@dataclass(frozen=True, slots=True)
class _Entry:
    route: BaseRoute
    endpoint: Callable[..., Any]
    steps: list[Step]


class DirectRoutesMiddleware:
    """Serves direct routes and hands on the rest; the innermost middleware, so that all others see these routes too."""

    def __init__(self, app: ASGIApp, *, fastapi: FastAPI) -> None:
        self._app = app
        self._fastapi = fastapi
        self._table = _table(iter_route_contexts(fastapi.routes))
        # as FastAPI has them inside its middleware; its outermost layer answers what none of them is for
        self._handlers = {
            kind: handler for kind, handler in fastapi.exception_handlers.items() if kind not in (500, Exception)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        entry = self._table.get((scope["method"], route_path(scope))) if scope["type"] == "http" else None
        if entry is None or self._fastapi.dependency_overrides or scope.get("fastapi.telemetry") is not None:
            await self._app(scope, receive, send)
            return
        scope["route"] = entry.route
        scope["endpoint"] = entry.endpoint
        scope["path_params"] = {}
        results: list[Any] = [Request(scope, receive, send)]
        try:
            for call, arguments in entry.steps:
                results.append(await call(*[results[position] for position in arguments]))
        except Exception as error:  # noqa: BLE001 -- whatever it is, a handler is looked for
            await ExceptionMiddleware(_raising(error), self._handlers)(scope, receive, send)
        else:
            await results[-1](scope, receive, send)


def _raising(error: Exception) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app


def _table(routes: Iterable[RouteContext]) -> dict[tuple[str, str], _Entry]:
    """The direct routes by method and path."""
    table: dict[tuple[str, str], _Entry] = {}
    earlier: list[RouteContext] = []
    for context in routes:
        if steps := _steps(context):
            path, endpoint = str(context.path), steps[-1][0]
            table |= {
                (method, path): _Entry(context.original_route, endpoint, steps)
                for method in context.methods or ()
                if not any(_takes(other, method, path) for other in earlier)
            }
        earlier.append(context)
    return table


def _takes(route: RouteContext, method: str, path: str) -> bool:
    """Whether FastAPI would choose this route; also where that cannot be told, as of a host's."""
    pattern = getattr(route, "path_regex", None)
    return pattern is None or (method in (route.methods or {method}) and bool(pattern.match(path)))


def _steps(context: RouteContext) -> list[Step] | None:
    """What to call for this route; None where FastAPI has to serve it."""
    if not isinstance(context.original_route, DirectRoute) or "{" in str(context.path):
        return None
    answer = inspect.signature(context.original_route.endpoint).return_annotation
    if not (isinstance(answer, type) and issubclass(answer, Response)):
        return None
    steps = call_order(context.dependant)
    if steps is None or len({id(call) for call, _ in steps}) < len(steps):
        return None  # FastAPI calls once what is needed twice
    return steps


def call_order(dependant: Dependant) -> list[Step] | None:
    """What to call, one after the other, the dependant itself last; None where anything asks for more than the request.

    That is a parameter of the path, query, header or body, background tasks, a function that FastAPI would run in a
    thread, or a dependency that it would end after the answer.
    """
    steps: list[Step] = []
    return steps if _append(dependant, steps) else None


def _append(dependant: Dependant, steps: list[Step]) -> bool:
    asks_for_more = (
        dependant.path_params or dependant.query_params or dependant.header_params or dependant.cookie_params
        or dependant.body_params or dependant.http_connection_param_name or dependant.websocket_param_name
        or dependant.response_param_name or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
    )  # fmt: skip
    call: Any = dependant.call
    if asks_for_more or not (inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)):
        return False
    positions = {dependant.request_param_name: 0}
    for dependency in dependant.dependencies:
        if not _append(dependency, steps):
            return False
        positions[dependency.name] = len(steps)
    parameters = inspect.signature(call).parameters.values()
    if any(
        parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in positions
        for parameter in parameters
    ):
        return False
    steps.append((call, [positions[parameter.name] for parameter in parameters]))
    return True
