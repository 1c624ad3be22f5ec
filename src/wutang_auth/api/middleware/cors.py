"""Cross-origin requests: which browsers' pages may call, and what they may read."""

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware as StarletteCORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.envelope import refusal
from wutang_auth.api.paths import is_for_verify
from wutang_auth.errors import PreflightRefused

_EXPOSED: Final = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Accept", "Accept-Encoding", "Allow")

# SECURITY: any header may be sent but those by which proxies tell who a client is or what it asked for; libraries add
# theirs to every call, for tracing or against forgery, and a list of those would never end
_HARMLESS: Final = re.compile(
    r"""(?!forwarded$|x-forwarded-|x-real-ip$|x-client-ip$|true-client-ip$|cf-connecting-ip$|x-original-|x-rewrite-url$
        |x-(user-id|session-id|scopes|required-scopes)$|proxy-|sec-|cookie$|host$)
    [!#$%&'*+.^_`|~0-9a-z-]* """,
    re.IGNORECASE | re.VERBOSE,
)


def headers_for(origin: bytes, origins: Collection[str]) -> list[tuple[bytes, bytes]]:
    """What lets a page of an origin read an answer; nothing where it is not one of these origins."""
    if origin.decode("latin-1") not in origins:
        return []
    exposed = ", ".join(_EXPOSED).encode()
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", exposed),
        (b"vary", b"Origin"),
    ]


class CORSMiddleware(StarletteCORSMiddleware):
    """Starlette's, with what this API takes and gives; a refused preflight is answered in the envelope."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("*",),  # those that were asked for; which are refused all the same, stands below
            expose_headers=_EXPOSED,
            allow_private_network=True,  # to origins that are named, as everything else
            max_age=600,
        )

    @staticmethod
    def allow_explicit_origin(headers: MutableHeaders, origin: str) -> None:
        """Let a page of this listed origin read the answer, and send the refresh token's cookie."""
        StarletteCORSMiddleware.allow_explicit_origin(headers, origin)
        headers["Access-Control-Allow-Credentials"] = "true"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a preflight about which a gateway asks is a request like any other."""
        is_options = scope["type"] == "http" and scope["method"] == "OPTIONS"
        headers = Headers(scope=scope if is_options else {"headers": []})
        if "origin" in headers and is_for_verify(scope):
            await self.simple_response(scope, receive, send, request_headers=headers)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        response = super().preflight_response(request_headers)
        if "access-control-allow-origin" in response.headers:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        asked = request_headers.get("access-control-request-headers", "")
        if response.status_code < 400 and all(_HARMLESS.fullmatch(name.strip(" \t")) for name in asked.split(",")):
            return response
        refused = refusal(Request({"type": "http", "headers": request_headers.raw}), PreflightRefused())
        for name, value in response.headers.items():
            if name != "access-control-allow-headers":
                refused.headers.setdefault(name, value)  # but the envelope's where both describe it
        return refused
