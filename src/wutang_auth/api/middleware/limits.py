"""The limits that every request keeps to."""

import re
from collections.abc import Awaitable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.envelope import refusal
from wutang_auth.api.paths import is_for_verify
from wutang_auth.errors import AuthError, HeadTooLarge, MalformedRequest, PayloadTooLarge

MAX_BODY: Final = 16 * 1024
"""Bytes."""
MAX_HEAD: Final = 16 * 1024
"""Bytes of path, query and headers, without what separates them."""

_CHECKED = frozenset((b"host", b"content-length", b"content-type"))
_CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]{0,255}")


class LimitsMiddleware:
    """Refuses what is larger than any route needs, or not a request that HTTP allows, before any route is chosen.

    A body without `Content-Length` is bounded where it is read: in `api/bodies.py`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        refused = _refused(scope) if scope["type"] == "http" else None
        app = self._app if refused is None else refusal(Request(scope), refused)
        return app(scope, receive, send)


def _refused(scope: Scope) -> AuthError | None:
    """Why this request goes no further."""
    size = len(scope["path"]) + len(scope["query_string"])
    hosts = content_types = 0
    content_length = b"0"
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name not in _CHECKED:
            continue
        if name == b"host":
            if not _HOST.fullmatch(value):
                return MalformedRequest()
            hosts += 1
        elif name == b"content-length":
            content_length = value
        else:
            content_types += 1
    if size > MAX_HEAD:
        return HeadTooLarge()
    # RFC 9112 section 3.2: exactly one Host in HTTP/1.1; RFC 9110 section 5.3: one Content-Type
    if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1") or content_types > 1:
        return MalformedRequest()
    if (not _CONTENT_LENGTH.fullmatch(content_length) or int(content_length) > MAX_BODY) and not is_for_verify(scope):
        return PayloadTooLarge()  # but to a gateway that asks: it is its client's length, of a body that is not read
    return None
