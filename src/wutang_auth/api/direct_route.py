"""The short way to routes that need little: by a table, with dependencies called directly.

FastAPI tries route after route and resolves dependencies for every kind of parameter there is; on a request that takes
only its `Authorization` header that is most of the time. A route with a fixed path, whose dependencies ask for nothing
but the request and each other, is served from here instead; every other route, and every route as soon as
`app.dependency_overrides` is used, goes through FastAPI as ever.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.envelope import answer

_Resolve = Callable[[Request], Awaitable[Any]]
_Step = tuple[Callable[..., Awaitable[Any]], list[int]]
"""A call, and its arguments: 0 is the request, 1 the result of the first step, and so on."""


class Shortcut:
    """Serves what it can by its table and hands on the rest."""

    def __init__(self, app: FastAPI, otherwise: ASGIApp) -> None:
        self._app = app
        self._otherwise = otherwise
        self._table: dict[tuple[str, str], _Resolve] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._table is None:
            self._table = _table(self._app)
        call = self._table.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if call is None or self._app.dependency_overrides:
            await self._otherwise(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response: Response = await call(request)
        except Exception as error:  # noqa: BLE001 -- as FastAPI's own outermost handler
            response = answer(request, error)
        await response(scope, receive, send)


def allowed_methods(app: FastAPI, path: str) -> set[str]:
    """Every method that some route has for this path."""
    methods: set[str] = set()
    for context in iter_route_contexts(app.routes):
        if context.methods and context.path_regex.match(path):
            methods |= context.methods
    return methods | {"HEAD"} if "GET" in methods else methods


def _table(app: FastAPI) -> dict[tuple[str, str], _Resolve]:
    table: dict[tuple[str, str], _Resolve] = {}
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute) or "{" in (context.path or "{"):
            continue
        call = _direct(context.dependant)
        if call is not None and _depends_once(context.dependant):
            table |= {(method, str(context.path)): call for method in context.methods or ()}
    return table


def _direct(dependant: Dependant) -> _Resolve | None:
    """The dependant's call with its dependencies resolved; None where it asks for more than the request."""
    steps: list[_Step] = []
    if not _plan(dependant, steps):
        return None

    async def resolve(request: Request) -> Any:
        results: list[Any] = [request]
        for call, arguments in steps:
            results.append(await call(*[results[position] for position in arguments]))
        return results[-1]

    return resolve


def _plan(dependant: Dependant, steps: list[_Step]) -> bool:
    """Append the calls that the dependant needs, itself last; False where it asks for more than the request."""
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
    for sub in dependant.dependencies:
        if not _plan(sub, steps):
            return False
        positions[sub.name] = len(steps)
    parameters = inspect.signature(call).parameters.values()
    if any(
        parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in positions
        for parameter in parameters
    ):
        return False
    steps.append((call, [positions[parameter.name] for parameter in parameters]))
    return True


def _depends_once(dependant: Dependant) -> bool:
    """Whether no dependency is used twice, which FastAPI would then call once."""
    calls: list[Any] = []
    pending = [dependant]
    while pending:
        current = pending.pop()
        calls.append(current.call)
        pending += current.dependencies
    return len({id(call) for call in calls}) == len(calls)
