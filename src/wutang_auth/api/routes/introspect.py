"""Introspection (RFC 7662): whether a token counts, for services that ask about each."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import IntrospectionServiceDep, require_scope
from wutang_auth.api.schemas.introspection import IntrospectBody, IntrospectionBody, introspection_body
from wutang_auth.service import Caller

router = APIRouter(tags=["gateways"])


@router.post(
    "/api/auth/introspect",
    operation_id="introspect",
    response_model=IntrospectionBody,
    response_description="What the token is; `active` alone where it does not count.",
)
async def introspect(
    request: Request,  # noqa: ARG001 -- as every route has it
    service: IntrospectionServiceDep,
    _caller: Annotated[Caller, Depends(require_scope("tokens:introspect"))],
    body: Annotated[IntrospectBody, Depends(parsed_body(IntrospectBody, form=True))],
) -> Response:
    """Tell whether a token counts (RFC 7662).

    令牌自省

    Takes either token of a pair. Why one does not count is not told. To ask is no use of it: a token that a refresh
    has replaced is active until its grace ends. No envelope at 200.
    """
    found = await service.introspect(body.token)
    return Response(to_json(introspection_body(found)), media_type="application/json")
