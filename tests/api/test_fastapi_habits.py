"""FastAPI's habits hold: what its documentation leads to expect is what happens."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException
from fastapi.exception_handlers import http_exception_handler
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from support.http import assert_refused, success
from support.services import Instance
from support.users import add_and_log_in
from wutang_auth.api.dependencies import authenticate
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.errors import NotFound


class Recorder:
    """Middleware as anyone might add it."""

    def __init__(self, app: ASGIApp, *, seen: list[tuple[str, str, int]]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.seen.append((scope["method"], scope["route"].path, message["status"]))
                message["headers"].append((b"x-recorded", b"yes"))
            await send(message)

        await self.app(scope, receive, recorded)


async def test_plain_route_answers_json(service: Instance) -> None:
    async def version() -> dict[str, str]:
        return {"version": "1"}

    service.app.get("/api/version")(version)
    router = APIRouter(prefix="/api/direct", route_class=DirectRoute)
    router.get("/version")(version)
    service.app.include_router(router)
    for path in ("/api/version", "/api/direct/version"):
        response = await service.client.get(path)
        assert (response.status_code, response.json()) == (200, {"version": "1"})
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-request-id"]


async def test_added_middleware_sees_every_route(service: Instance) -> None:
    seen: list[tuple[str, str, int]] = []
    service.app.add_middleware(Recorder, seen=seen)
    login = await add_and_log_in(service)
    responses = [
        await service.client.get("/api/auth/me", headers=login.headers),
        await service.client.head("/api/auth/me", headers=login.headers),
        await service.client.put("/api/auth/refresh", headers=login.headers),
        await service.client.get("/api/auth/me"),
    ]
    assert seen == [
        ("POST", "/api/auth/login", 200),
        ("GET", "/api/auth/me", 200),
        ("HEAD", "/api/auth/me", 200),
        ("PUT", "/api/auth/refresh", 200),
        ("GET", "/api/auth/me", 401),
    ]
    assert all(response.headers["x-recorded"] == "yes" for response in responses)


async def test_bug_in_added_middleware_is_answered_as_any_other(
    service: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
            raise ValueError("canary")

    service.app.add_middleware(Broken)
    response = await service.client.get("/api/auth/me")
    assert_refused(response, 500, 50001)
    assert response.headers["x-request-id"]
    assert response.headers["cache-control"] == "no-store"
    assert "canary" not in str([record.__dict__ for record in caplog.records])


CODES = {
    400: 10001, 401: 40001, 402: 10001, 403: 40003, 404: 40004, 405: 40001, 406: 10001, 409: 10003, 410: 10001,
    413: 10001, 415: 10001, 418: 10001, 422: 10001, 429: 40001, 431: 10001, 451: 10001, 500: 50001, 501: 50001,
    503: 50001,
}  # fmt: skip


@pytest.mark.parametrize("is_direct_route", [True, False], ids=["direct", "plain"])
async def test_http_exception_keeps_its_status_and_headers(service: Instance, is_direct_route: bool) -> None:
    def refuse(status: int) -> Callable[[], Awaitable[Response]]:
        async def refuse() -> Response:
            raise HTTPException(status, "canary", headers={"Retry-After": "7"})

        return refuse

    router = APIRouter(route_class=DirectRoute) if is_direct_route else APIRouter()
    for status in CODES:
        router.get(f"/api/{status}")(refuse(status))
    service.app.include_router(router)
    for status, code in CODES.items():
        response = await service.client.get(f"/api/{status}", headers={"Accept-Language": "en"})
        assert_refused(response, status, code)
        assert response.headers["retry-after"] == "7"
        assert "canary" not in response.text
        assert ("www-authenticate" in response.headers) == (status == 401)
        assert response.headers.get("allow") == ("GET, HEAD" if status == 405 else None)


async def test_http_exception_may_redirect_and_challenge(service: Instance) -> None:
    @service.app.get("/api/moved")
    async def moved() -> Response:
        raise HTTPException(307, headers={"Location": "/api/response_code"})

    @service.app.get("/api/basic")
    async def basic() -> Response:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer scope=x"})

    response = await service.client.get("/api/moved")
    assert (response.status_code, response.headers["location"], response.content) == (307, "/api/response_code", b"")
    assert (await service.client.get("/api/basic")).headers.get_list("www-authenticate") == ["Bearer scope=x"]


class Teapot(Exception):
    """Somebody's own."""


@pytest.mark.parametrize("is_direct_route", [True, False], ids=["direct", "plain"])
async def test_added_exception_handlers_are_asked(service: Instance, is_direct_route: bool) -> None:
    async def brew() -> Response:
        raise Teapot

    async def find() -> Response:
        raise NotFound

    async def refuse() -> Response:
        raise HTTPException(403, "as FastAPI says it")

    async def by_type(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"teapot": True}, 418)

    def in_a_thread(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"found": False}, 410)

    async def as_fastapi(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await http_exception_handler(request, error)

    router = APIRouter(route_class=DirectRoute) if is_direct_route else APIRouter()
    router.get("/brew")(brew)
    router.get("/find")(find)
    router.get("/refuse")(refuse)
    service.app.include_router(router)
    service.app.add_exception_handler(Teapot, by_type)
    service.app.add_exception_handler(NotFound, in_a_thread)
    service.app.add_exception_handler(403, as_fastapi)
    for path, status, body in (
        ("/brew", 418, {"teapot": True}),
        ("/find", 410, {"found": False}),
        ("/refuse", 403, {"detail": "as FastAPI says it"}),
    ):
        response = await service.client.get(path)
        assert (response.status_code, response.json()) == (status, body)
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("is_direct_route", [True, False], ids=["direct", "plain"])
async def test_background_tasks_and_dependencies_with_yield_run(service: Instance, is_direct_route: bool) -> None:
    steps: list[str] = []

    async def resource() -> AsyncIterator[str]:
        steps.append("open")
        yield "resource"
        steps.append("close")

    async def use(got: Annotated[str, Depends(resource)], tasks: BackgroundTasks) -> Response:
        tasks.add_task(steps.append, "task")
        steps.append(got)
        return JSONResponse(got)

    router = APIRouter(route_class=DirectRoute) if is_direct_route else APIRouter()
    router.get("/use")(use)
    service.app.include_router(router)
    assert (await service.client.get("/use")).json() == "resource"
    assert steps == ["open", "resource", "task", "close"]


async def test_dependencies_may_be_overridden(service: Instance) -> None:
    login = await add_and_log_in(service)

    async def nobody() -> None:
        raise HTTPException(403)

    service.app.dependency_overrides[authenticate] = nobody
    assert_refused(await service.client.get("/api/auth/sessions", headers=login.headers), 403, 40003)
    service.app.dependency_overrides = {}
    success(await service.client.get("/api/auth/sessions", headers=login.headers))


async def test_first_route_of_a_path_serves_it(service: Instance) -> None:
    async def first(name: str) -> Response:
        return JSONResponse(name)

    async def second() -> Response:
        return JSONResponse("second")

    service.app.get("/cups/{name}")(first)
    router = APIRouter(route_class=DirectRoute)
    router.get("/cups/large")(second)
    router.get("/pots/large")(second)
    router.get("/pots/large")(first)
    service.app.include_router(router)
    assert (await service.client.get("/cups/large")).json() == "large"
    assert (await service.client.get("/pots/large")).json() == "second"


async def test_bug_is_seen_by_added_middleware(service: Instance, caplog: pytest.LogCaptureFixture) -> None:
    raised: list[str] = []

    class Watching:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.app(scope, receive, send)
            except AttributeError as error:
                raised.append(type(error).__name__)
                raise

    service.app.add_middleware(Watching)
    service.app.state.services = None
    with caplog.at_level(logging.CRITICAL):
        response = await service.client.put("/api/auth/refresh", headers={"Authorization": "Bearer x"})
    assert_refused(response, 500, 50001)
    assert raised == ["AttributeError"]
    assert len(caplog.records) == 1
