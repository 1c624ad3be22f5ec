"""The application: settings in, ASGI out."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth import __version__
from wutang_auth import settings as settings_module
from wutang_auth.api import envelope
from wutang_auth.api.direct_route import Shortcut, allowed_methods
from wutang_auth.api.documentation import openapi
from wutang_auth.api.middleware.edge import Edge
from wutang_auth.api.routes import auth, docs, health, users, well_known
from wutang_auth.api.routes import response_codes as response_code
from wutang_auth.database import Database
from wutang_auth.errors import DatabaseUnavailable, Overloaded
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import REVISION, AttemptRepository, SchemaRepository, SessionRepository, UserRepository
from wutang_auth.service import AuthService, UserService
from wutang_auth.service.throttle import Throttle
from wutang_auth.settings import Settings, SettingsError
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing, KeyRingError

logger = logging.getLogger(__name__)

_COUNTER_CONNECTIONS = 4
_GC_THRESHOLD = (20_000, 20, 10)
_KEYS_POLL = 2.0
_CALIBRATION_RETRY = 2.0
_PRUNE_INTERVAL = 600.0
_PRUNE_BATCH = 1000


class _Application(FastAPI):
    """FastAPI with the edge outside of everything and the shortcut behind it."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, built once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.build(self)
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; without OpenTelemetry's SDK directly, since FastAPI would look for it at every request."""
        if scope["type"] == "http" and self.middleware_stack is not None and not self.state.is_traced:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers, outermost first: edge, CORS, shortcut, FastAPI."""
        settings: Settings = self.state.settings
        stack: ASGIApp = Shortcut(self, super().build_middleware_stack())
        if settings.cors_origins:
            stack = CORSMiddleware(
                stack,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
                allow_headers=("Authorization", "Content-Type", "Accept-Language", "X-Request-ID"),
                expose_headers=("X-Request-ID", "Retry-After", "WWW-Authenticate"),
                max_age=600,
            )
        return Edge(stack, trusted_proxies=settings.trusted_proxies, database_seconds=settings.db_request_timeout)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service. Without settings they come from the environment: `uvicorn --factory wutang_auth.main:create_app`."""
    if settings is None:
        try:
            settings = settings_module.load()
            ring = KeyRing.load(settings.keys_file)
        except (SettingsError, KeyRingError) as error:
            # another server than ours called; it too gets one line and no traceback
            raise SystemExit(f"wutang-auth: {error}") from None
    else:
        ring = KeyRing.load(settings.keys_file)
    app = _routed(settings)
    app.state.key_ring = ring
    return app


def openapi_document() -> dict[str, Any]:
    """The API as an OpenAPI document, for which nothing need run."""
    return _routed(
        Settings.model_construct(**{name: field.get_default() for name, field in Settings.model_fields.items()})
    ).openapi()


def _routed(settings: Settings) -> FastAPI:
    app = _Application(
        title="wutang-auth",
        version=__version__,
        lifespan=_lifespan,
        openapi_url=None,  # api/routes/docs.py has the routes of the documentation
        redirect_slashes=False,
    )
    app.root_path = settings.root_path  # FastAPI deprecates it as an argument
    app.state.settings = settings
    app.state.is_draining = False
    app.state.is_traced = bool(settings.root_path) or app._native_telemetry.enabled()  # noqa: SLF001 -- FastAPI has no question for it
    envelope.install(app, partial(allowed_methods, app))
    for router in (auth.router, users.router, response_code.router, well_known.router, health.router, docs.router):
        app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    settings: Settings = state.settings
    database = _database(settings, settings.db_pool_size)
    # a few connections of its own: a storm of logins finds no others to hold, and its counters need not wait for disks
    counters = _database(settings, _COUNTER_CONNECTIONS, synchronous_commit="off")
    attempts = AttemptRepository(counters)
    throttle = Throttle(
        attempts,
        account_free=settings.throttle_account_free,
        address_free=settings.throttle_address_free,
        max_wait=settings.throttle_max_wait,
        forget=settings.throttle_forget,
    )
    passwords = Passwords(workers=settings.hash_workers, queue=settings.hash_queue)
    rules = PasswordRules(min_length=settings.password_min_length)
    tokens = Tokens(settings, state.key_ring)
    accounts = UserRepository(database)
    sessions = SessionRepository(database, ttl=settings.refresh_ttl, grace=settings.refresh_grace)
    state.schema = SchemaRepository(database)
    state.schema_head = REVISION
    state.auth_service = AuthService(
        users=accounts,
        sessions=sessions,
        tokens=tokens,
        passwords=passwords,
        rules=rules,
        throttle=throttle,
        session_ttl=settings.refresh_ttl,
        refresh_with_access_token=settings.refresh_with_access_token,
    )
    state.user_service = UserService(users=accounts, sessions=sessions, passwords=passwords, rules=rules)

    def use(ring: KeyRing) -> None:
        state.key_ring = ring
        tokens.use(ring)

    background = [
        asyncio.create_task(_follow_keys(settings.keys_file, use)),
        asyncio.create_task(_prune(sessions, throttle)),
        asyncio.create_task(_calibrate(state.auth_service)),
    ]
    # what was made until here lives as long as the process: the collector need not look at it again
    gc.collect()
    gc.freeze()
    # a request makes hardly any cycles: looking for them after every 700 objects is most of what the collector costs
    gc.set_threshold(*_GC_THRESHOLD)
    try:
        yield
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        passwords.close()
        await counters.close()
        await database.close()


def _database(settings: Settings, size: int, **server_settings: str) -> Database:
    return Database(
        settings.database_url.get_secret_value(),
        size=size,
        connect_timeout=settings.db_connect_timeout,
        statement_timeout=settings.db_statement_timeout,
        pool_timeout=settings.db_pool_timeout,
        prepare=settings.db_prepared_statements,
        server_settings=server_settings,
    )


async def _follow_keys(path: Path, use: Callable[[KeyRing], None]) -> None:
    """Take over a changed key ring; a broken one is refused and the old one stays."""
    seen = _fingerprint(path)
    while True:
        await asyncio.sleep(_KEYS_POLL)
        found = _fingerprint(path)
        if found == seen:
            continue
        seen = found
        try:
            ring = await asyncio.to_thread(KeyRing.load, path)  # checking RSA keys takes a while
        except KeyRingError as error:
            logger.error("the key ring in use stays: %s", error)
            continue
        use(ring)
        logger.info("took over the changed key ring; %s signs", ring.active.kid)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


async def _prune(sessions: SessionRepository, throttle: Throttle) -> None:
    """Delete sessions past their lifetime and old attempts, a little at a time."""
    while True:
        await asyncio.sleep(_PRUNE_INTERVAL)
        for prune in (sessions.prune, throttle.prune):
            try:
                while await prune(_PRUNE_BATCH) == _PRUNE_BATCH:  # noqa: ASYNC110 -- a pause, no polling
                    await asyncio.sleep(0.1)
            except DatabaseUnavailable:
                logger.warning("could not prune; will try again later")


async def _calibrate(service: AuthService) -> None:
    """Learn what the stored hashes cost, as soon as the database is there."""
    while True:
        try:
            await service.calibrate()
        except (DatabaseUnavailable, Overloaded):
            await asyncio.sleep(_CALIBRATION_RETRY)
        else:
            return
