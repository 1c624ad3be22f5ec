"""The refresh token in a cookie, for pages in a browser: a script that is injected into one cannot read it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import BearerToken
from wutang_auth.api.envelope import ok
from wutang_auth.api.schemas.auth import token_pair_body
from wutang_auth.errors import TokenInvalid, TokenMissing
from wutang_auth.tokens.access import TokenPair

# SECURITY: the prefix `__Host-` has browsers refuse it from other hosts of the domain and without Secure (RFC 6265bis)
NAME: Final = "__Host-wutang-refresh"
_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"


@dataclass(frozen=True, slots=True)
class SentToken:
    """A token of a session, and how it came."""

    text: str
    by_cookie: bool


class TokenOrCookie(SecurityBase):
    """The token of the `Authorization` header; only where there is no such header, that of the cookie."""

    def __init__(self) -> None:
        self._bearer = BearerToken()
        self.model = self._bearer.model
        self.scheme_name = self._bearer.scheme_name

    async def __call__(self, request: Request) -> SentToken:
        """The token.

        Raises:
            TokenMissing: neither is there, or the cookie comes from another site's page.
            TokenInvalid: no token behind the scheme, or more than one of either.
        """
        headers = request.scope["headers"]
        if any(name == b"authorization" for name, _ in headers):
            return SentToken(await self._bearer(request), by_cookie=False)
        found = [value for name, value in _cookies(headers) if name == NAME]
        # SECURITY: a page elsewhere could send the cookie along without seeing the answer (forged requests)
        if not found or not _is_from_own_page(request):
            raise TokenMissing
        if len(found) > 1:
            raise TokenInvalid("malformed")
        return SentToken(found[0], by_cookie=True)


def pair_answer(
    request: Request, pair: TokenPair, *, as_cookie: bool, more: Mapping[str, object] = MappingProxyType({})
) -> Response:
    """The answer with a token pair, and what else it says; the refresh token in it, or in the cookie and null in it."""
    body = {**token_pair_body(pair), **more}
    if not as_cookie:
        return ok(request, body)
    response = ok(request, {**body, "refresh_token": None})
    response.headers["Set-Cookie"] = f"{NAME}={pair.refresh_token}; Max-Age={pair.refresh_expires_in}; {_ATTRIBUTES}"
    return response


def drop_cookie(response: Response) -> None:
    """Have the browser forget the cookie."""
    response.headers["Set-Cookie"] = f"{NAME}=; Max-Age=0; {_ATTRIBUTES}"


def is_foreign_page(request: Request) -> bool:
    """Whether a page of another site sends it; programs, which tell neither site nor origin, are no pages."""
    is_told = "origin" in request.headers or "sec-fetch-site" in request.headers
    return is_told and not _is_from_own_page(request)


def _cookies(headers: Collection[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The names and values of every `Cookie` header (RFC 6265 section 5.4); HTTP/2 gateways may send several."""
    pairs = [pair for name, value in headers if name == b"cookie" for pair in value.decode("latin-1").split(";")]
    return [(name.strip(), value.strip()) for name, _, value in (pair.partition("=") for pair in pairs)]


def _is_from_own_page(request: Request) -> bool:
    """Whether a page of this origin sends it, or of one that is listed (Fetch Metadata, section 2.4).

    Browsers that do not tell the site tell the origin with every PUT and DELETE (RFC 6454 section 7).
    """
    origin = request.headers.get("origin", "")
    if origin in request.app.state.settings.cors_origins:
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return origin.partition("://")[2] == request.headers.get("host")
