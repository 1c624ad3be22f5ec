"""Who has logged out, for services that verify access tokens by themselves."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import RevocationServiceDep
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.header_values import accepts_gzip
from wutang_auth.errors import NotFound, Unavailable

router = APIRouter(tags=["keys"])

_HEADERS = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


class JwtResponse(Response):
    """The media type of RFC 7519 section 10.3.1."""

    media_type = "application/jwt"


@router.get(
    "/.well-known/revocations",
    operation_id="revocation_list",
    response_class=JwtResponse,
    response_description="A signed list, of the type `revocations+jwt`.",
    responses={304: {"description": "Nothing has changed since the `ETag`."}, **refusals(NotFound, Unavailable)},
)
async def revocation_list(
    request: Request,
    service: RevocationServiceDep,
    after: Annotated[
        str | SkipJsonSchema[None], Query(description="the `next` of the list before; without it, all that matter")
    ] = None,
) -> Response:
    """The access tokens that count no more.

    已撤销的令牌

    A JWT by the key that signs tokens: `sessions` that have ended, by their `sid`, and `users` of whom tokens with an
    `iat` up to then are to be refused. Ask again after `ttl` seconds, with `next` as `after`; refuse every token once
    the last list is older than you dare. No envelope.
    """
    found = await service.revocation_list(after)
    headers = {**_HEADERS, "ETag": found.etag}
    if _names(request.headers.get("if-none-match", ""), found.etag):
        return Response(None, 304, headers)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return JwtResponse(found.gzip, 200, {**headers, "Content-Encoding": "gzip"})
    return JwtResponse(found.jwt, 200, headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Whether one of the tags is this one, by the weak comparison (RFC 9110 section 8.8.3.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag.removeprefix("W/") in tags or "*" in tags
