"""The limits that every request keeps to."""

import re
from collections.abc import Awaitable
from itertools import chain
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
    sent = scope["headers"]
    if len(scope["path"]) + len(scope["query_string"]) + len(b"".join(chain.from_iterable(sent))) > MAX_HEAD:
        return HeadTooLarge()
    headers = dict(sent)
    if len(headers) < len(sent):
        # RFC 9112 section 3.2: exactly one Host; RFC 9110 section 5.3: one Content-Type
        names = [name for name, _ in sent]
        if names.count(b"host") > 1 or names.count(b"content-type") > 1:
            return MalformedRequest()
    host = headers.get(b"host")
    if scope["http_version"] == "1.1" if host is None else not _HOST.fullmatch(host):
        return MalformedRequest()
    length = headers.get(b"content-length", b"0")
    if (not _CONTENT_LENGTH.fullmatch(length) or int(length) > MAX_BODY) and not is_for_verify(scope):
        return PayloadTooLarge()  # but to a gateway that asks: it is its client's length, of a body that is not read
    return None
