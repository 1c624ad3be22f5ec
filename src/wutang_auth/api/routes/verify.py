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
from wutang_auth.api.verify_questions import PARAMETERS, needed
from wutang_auth.errors import InsufficientScope, InvalidParameters, NotFresh

router = APIRouter(tags=["gateways"], route_class=DirectRoute)

_FIT_FOR_HEADER: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3

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
    responses={200: {"headers": _ANSWERED}, **refusals(InsufficientScope, InvalidParameters, NotFresh)},
    openapi_extra={"parameters": PARAMETERS},
)
async def verify(request: Request, service: VerifyServiceDep, token: Token) -> Response:
    """Verify an access token for a gateway.

    供网关校验令牌

    Answers to every method, at this path and below it (`/api/auth/verify/` too), so that it fits gateways that ask with
    their client's method and path. Reads no body.
    """
    identity = await service.verify(token, needed(request))
    response = Response()
    response.raw_headers += [
        (b"x-user-id", b"%d" % identity.user_id),
        (b"x-session-id", str(identity.session_id).encode()),
        # SECURITY: another program may have stored scopes that would break a header, or end it
        (b"x-scopes", " ".join(filter(_FIT_FOR_HEADER.fullmatch, identity.scopes)).encode()),
    ]
    return response
