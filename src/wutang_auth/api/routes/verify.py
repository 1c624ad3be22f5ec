"""The route for gateways: nginx `auth_request`, Traefik ForwardAuth, Envoy `ext_authz` and their like."""

import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import Token, VerifyServiceDep
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.paths import VERIFY
from wutang_auth.errors import FieldError, InsufficientScope, InvalidParameters
from wutang_auth.fields import MAX_SCOPES, MAX_SCOPES_LENGTH, SCOPE_MAX_LENGTH, SCOPE_PATTERN, parse_scopes

router = APIRouter(tags=["gateways"], route_class=DirectRoute)

_QUERY: Final = "required_scope"
_HEADER: Final = "X-Required-Scopes"
_SCOPE: Final = SCOPE_PATTERN.removesuffix("*") + f"{{0,{SCOPE_MAX_LENGTH - 1}}}"
_FIT_FOR_HEADER: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3

# read by hand, since FastAPI serves what declares parameters, and takes several times as long
_PARAMETERS: Final = [
    {
        "name": _QUERY,
        "in": "query",
        "required": False,
        "description": "scopes that the user must have, all of them; several between spaces; not read below this path",
        "schema": {"type": "array", "items": {"type": "string", "pattern": f"^{_SCOPE}$"}, "maxItems": MAX_SCOPES},
    },
    {
        "name": _HEADER,
        "in": "header",
        "required": False,
        "description": "the same, between spaces; the gateway sets it, and removes what its clients send",
        "schema": {
            "type": "string",
            "pattern": f"^({_SCOPE}( {_SCOPE}){{0,{MAX_SCOPES - 1}}})?$",
            "maxLength": MAX_SCOPES_LENGTH,
        },
    },
]
_ANSWERED: Final = {
    "X-User-Id": {"description": "the user's id", "schema": {"type": "string", "examples": ["1"]}},
    "X-Session-Id": {"description": "the session's id", "schema": {"type": "string", "format": "uuid"}},
    "X-Scopes": {
        "description": "the user's scopes, between spaces; empty where there is none",
        "schema": {"type": "string", "examples": ["orders:read orders:write"]},
    },
}


@router.get(
    VERIFY,
    operation_id="verify",
    response_class=Response,
    response_description="Whose token it is, in headers; the body is empty.",
    responses={200: {"headers": _ANSWERED}, **refusals(InsufficientScope, InvalidParameters)},
    openapi_extra={"parameters": _PARAMETERS},
)
async def verify(request: Request, service: VerifyServiceDep, token: Token) -> Response:
    """Verify an access token for a gateway.

    供网关校验令牌

    Answers to every method, at this path and below it (`/api/auth/verify/` too), so that it fits gateways that ask with
    their client's method and path. Reads no body.
    """
    identity = await service.verify(token, _needed_scopes(request))
    response = Response()
    response.raw_headers += [
        (b"x-user-id", b"%d" % identity.user_id),
        (b"x-session-id", str(identity.session_id).encode()),
        # SECURITY: another program may have stored scopes that would break a header, or end it
        (b"x-scopes", " ".join(filter(_FIT_FOR_HEADER.fullmatch, identity.scopes)).encode()),
    ]
    return response


def _needed_scopes(request: Request) -> list[str]:
    """The scopes that query and header name together.

    Raises:
        InvalidParameters: one of them is no scope, which nobody could have.
    """
    needed: list[str] = []
    for field, sent in ((_QUERY, request.query_params.getlist(_QUERY)), (_HEADER, request.headers.getlist(_HEADER))):
        try:
            needed += parse_scopes(" ".join(sent).split())
        except ValueError:
            raise InvalidParameters([FieldError(field, "scopes")]) from None
    return needed
