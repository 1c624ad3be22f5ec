"""Cross-origin requests: which browsers' pages may call, and what they may read."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware as StarletteCORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from wutang_auth.api.envelope import refusal
from wutang_auth.errors import PreflightRefused


class CORSMiddleware(StarletteCORSMiddleware):
    """Starlette's, with what this API takes and gives; a refused preflight is answered in the envelope."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Accept-Language", "X-Request-ID"),
            expose_headers=("X-Request-ID", "Retry-After", "WWW-Authenticate"),
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = refusal(Request({"type": "http", "headers": request_headers.raw}), PreflightRefused())
        for name, value in response.headers.items():
            refused.headers.setdefault(name, value)  # those of Starlette, but of the envelope where both describe it
        return refused
