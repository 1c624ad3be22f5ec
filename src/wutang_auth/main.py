"""The application: settings in, ASGI out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from wutang_auth import __version__
from wutang_auth import settings as settings_module
from wutang_auth.api import envelope
from wutang_auth.api.application import Application
from wutang_auth.api.direct_route import DirectRoutesMiddleware
from wutang_auth.api.middleware.head_requests import HeadRequestsMiddleware
from wutang_auth.api.middleware.layers import layers_for
from wutang_auth.api.middleware.verify_requests import VerifyRequestsMiddleware
from wutang_auth.api.routes import modules_for
from wutang_auth.factory import check_texts, load_ring, open_services
from wutang_auth.service.maintenance import Intervals
from wutang_auth.settings import Settings, SettingsError
from wutang_auth.tokens.key_ring import KeyRingError


def create_app(
    settings: Settings | None = None,
    *,
    intervals: Intervals = Intervals(),
    hash_thread_initializer: Callable[[], None] | None = None,
) -> FastAPI:
    """The service. Without settings they come from the environment: `uvicorn --factory wutang_auth.main:create_app`.

    `intervals` are those of background tasks; `hash_thread_initializer` is what each thread that hashes calls first.
    """
    if settings is None:
        try:
            settings = settings_module.load(Settings)
            check_texts(settings)
            ring = load_ring(settings)
        except SettingsError as error:
            raise SystemExit(f"wutang-auth: {error}") from None  # one line under another server than ours, too
        except KeyRingError as error:
            raise SystemExit(f"wutang-auth: WUTANG_KEYS_FILE: {error}") from None
    else:
        check_texts(settings)
        ring = load_ring(settings)
    app = _routed(settings)
    app.state.open_services = partial(
        open_services, settings, ring, intervals=intervals, hash_thread_initializer=hash_thread_initializer
    )
    return app


def openapi_document() -> dict[str, Any]:
    """The API as an OpenAPI document, for which nothing need run."""
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    on = {"smtp_url": SecretStr("smtp://localhost"), "registration": "open", "mfa": "optional"}
    return _routed(Settings.model_construct(**{**defaults, **on})).openapi()


def _routed(settings: Settings) -> Application:
    app = Application(
        title="wutang-auth", version=__version__, lifespan=_lifespan, redirect_slashes=False,
        # SECURITY: it would log exceptions with their messages, which hold values; our own log has them in our words
        telemetry={"logs": False},
        openapi_url=None,  # api/routes/docs.py has the routes of the documentation
    )  # fmt: skip
    app.root_path = settings.root_path  # FastAPI deprecates it as an argument
    app.state.settings = settings
    app.state.is_draining = False
    app.state.is_laravel_style = settings.response_style == "laravel"
    app.outer_middleware = layers_for(settings)
    app.add_middleware(DirectRoutesMiddleware, fastapi=app)  # the first is the innermost
    app.add_middleware(HeadRequestsMiddleware)
    app.add_middleware(VerifyRequestsMiddleware)
    envelope.install(app)
    for module in modules_for(settings):
        app.serve_routes(module.router)
    return app


@asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    # not before: FastAPI itself may configure OpenTelemetry when the application starts
    app.needs_fastapi_call = bool(app.root_path) or app._native_telemetry.enabled()  # noqa: SLF001 -- FastAPI has no question for it
    async with app.state.open_services() as services:
        app.state.services = services
        app.metrics = services.metrics
        yield
