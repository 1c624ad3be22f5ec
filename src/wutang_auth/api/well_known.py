"""What other services read to verify tokens by themselves."""

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

router = APIRouter(tags=["keys"])

# a new key is published as `next` long before it signs, so that caches of five minutes never miss one
_CACHE = {"Cache-Control": "public, max-age=300"}


@router.get("/.well-known/jwks.json", operation_id="jwks")
async def jwks(request: Request) -> Response:
    """The public keys (RFC 7517)."""
    return Response(to_json(request.app.state.key_ring.jwks()), 200, _CACHE, "application/jwk-set+json")
