"""The limits that every request keeps to."""

import re
from itertools import chain
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.envelope import refusal
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refused = _refused(scope) if scope["type"] == "http" else None
        app = self._app if refused is None else refusal(Request(scope), refused)
        await app(scope, receive, send)


def _refused(scope: Scope) -> AuthError | None:
    """Why this request goes no further."""
    sent = scope["headers"]
    if len(scope["path"]) + len(scope["query_string"]) + sum(map(len, chain.from_iterable(sent))) > MAX_HEAD:
        return HeadTooLarge()
    headers = dict(sent)
    # RFC 9112 section 3.2: exactly one Host in HTTP/1.1; RFC 9110 section 5.3: one Content-Type
    if b"host" in headers:
        if not _HOST.fullmatch(headers[b"host"]):
            return MalformedRequest()
    elif scope["http_version"] == "1.1":
        return MalformedRequest()
    if len(headers) < len(sent):
        names = [name for name, _ in sent]
        if names.count(b"host") > 1 or names.count(b"content-type") > 1:
            return MalformedRequest()
    length = headers.get(b"content-length")
    if length is not None and (not _CONTENT_LENGTH.fullmatch(length) or int(length) > MAX_BODY):
        return PayloadTooLarge()
    return None
