"""The context of each request."""

import re
import secrets
from collections.abc import Awaitable, Sequence
from itertools import count

from starlette.types import ASGIApp, Receive, Scope, Send

from wutang_auth.api.header_values import without_blanks
from wutang_auth.api.middleware.client_address import client_address
from wutang_auth.context import RequestBudget, RequestContext, request_context
from wutang_auth.settings import Network

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_MAX_USER_AGENT = 255


class RequestContextMiddleware:
    """Puts who asks, and the request's id, into `context.request_context`.

    It is the outermost layer, so it also takes the blanks off header values, for all who read them.
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: Sequence[Network], budget_seconds: float) -> None:
        self._app = app
        self._trusted_proxies = tuple(trusted_proxies)
        self._budget_seconds = budget_seconds
        self._prefix = secrets.token_hex(4).encode()
        self._numbers = count(1)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        scope["headers"] = without_blanks(scope["headers"])
        headers = dict(scope["headers"])  # of one that was sent several times, the last
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%s%08x" % (self._prefix, next(self._numbers))
        peer: str | None = scope["client"][0] if scope.get("client") else None
        is_rfc_7239 = b"forwarded" in headers and not headers.get(b"x-forwarded-for")
        forwarding = b"forwarded" if is_rfc_7239 else b"x-forwarded-for"
        forwarded = headers.get(forwarding, b"")
        if forwarded:  # RFC 9110 section 5.3: sent several times, it is one list
            forwarded = b",".join([value for name, value in scope["headers"] if name == forwarding])
        request_context.set(
            RequestContext(
                request_id.decode(),
                client_address(peer, forwarded, self._trusted_proxies, is_rfc_7239=is_rfc_7239),
                _printable(headers.get(b"user-agent")),
                RequestBudget(self._budget_seconds),
            )
        )
        return self._app(scope, receive, send)


def _printable(user_agent: bytes | None) -> str | None:
    if not user_agent:
        return None
    text = user_agent[:_MAX_USER_AGENT].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
