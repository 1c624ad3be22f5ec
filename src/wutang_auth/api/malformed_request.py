"""The answer to bytes that are no request, which no middleware has seen."""

import secrets
from collections.abc import Collection, Sequence
from http import HTTPStatus

from starlette.requests import Request

from wutang_auth.api.envelope import refusal
from wutang_auth.api.header_values import without_blanks
from wutang_auth.api.middleware.cors import headers_for
from wutang_auth.api.middleware.security_headers import SECURITY_HEADERS
from wutang_auth.errors import MalformedRequest


def malformed_request(headers: Sequence[tuple[bytes, bytes]], cors_origins: Collection[str]) -> bytes:
    """The whole HTTP/1.1 answer; `headers` are those that were understood before the rest was not."""
    headers = without_blanks(headers)
    response = refusal(Request({"type": "http", "headers": headers}), MalformedRequest())
    answered = [
        *response.raw_headers,
        (b"x-request-id", secrets.token_hex(8).encode()),
        *SECURITY_HEADERS,
        *headers_for(dict(headers).get(b"origin", b""), cors_origins),
        (b"connection", b"close"),
    ]
    status = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()
    return b"\r\n".join([status, *(b"%s: %s" % header for header in answered), b"", bytes(response.body)])
