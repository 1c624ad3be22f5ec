"""What other services read to verify tokens by themselves."""

from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wutang_auth.api.dependencies import services
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.errors import NotFound

router = APIRouter(tags=["keys"])

# a new key is published as `next` long before it signs, so that caches of five minutes never miss one
_CACHE = {"Cache-Control": "public, max-age=300"}


class JwkBody(BaseModel):
    """A public key (RFC 7517 section 4, RFC 7518 section 6); which further members it has follows from `kty`."""

    kty: str
    use: str
    alg: str
    kid: str = Field(description="the key's RFC 7638 thumbprint, as in the header of each token that it signed")
    crv: str | SkipJsonSchema[None] = Field(None, description="of an EC key, as `x` and `y`")
    x: str | SkipJsonSchema[None] = None
    y: str | SkipJsonSchema[None] = None
    n: str | SkipJsonSchema[None] = Field(None, description="of an RSA key, as `e`")
    e: str | SkipJsonSchema[None] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kty": "EC",
                    "use": "sig",
                    "alg": "ES256",
                    "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
                    "crv": "P-256",
                    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                }
            ]
        }
    )


class JwkSetBody(BaseModel):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[JwkBody]


class JwkSetResponse(JSONResponse):
    """The media type of RFC 7517 section 8.5."""

    media_type = "application/jwk-set+json"


@router.get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    response_model=JwkSetBody,
    response_class=JwkSetResponse,
    response_description="A JWK Set.",
)
async def jwks(request: Request) -> Response:
    """The public keys.

    A JWK Set (RFC 7517) of every key that may have signed a token still alive, and of the next one. Take the key that
    the token's `kid` names, and ask again when there is none, at most every five minutes. No envelope.
    """
    return Response(to_json(services(request).tokens.ring.jwks()), 200, _CACHE, JwkSetResponse.media_type)


class ServerMetadataBody(BaseModel):
    """What there is here for programs that know OAuth 2 (RFC 8414 section 2)."""

    issuer: str = Field(examples=["https://auth.shop.example"])
    jwks_uri: str = Field(examples=["https://auth.shop.example/.well-known/jwks.json"])
    introspection_endpoint: str = Field(examples=["https://auth.shop.example/api/auth/introspect"])
    introspection_endpoint_auth_methods_supported: list[str] = Field(examples=[["Bearer"]])
    service_documentation: str = Field(examples=["https://auth.shop.example/docs"])
    response_types_supported: list[str] = Field(description="none: a login is no OAuth flow", examples=[[]])
    grant_types_supported: list[str] = Field(description="none, too", examples=[[]])


_METADATA_PATH = "/.well-known/oauth-authorization-server"


@router.get(
    _METADATA_PATH,
    operation_id="server_metadata",
    response_model=ServerMetadataBody,
    response_description="The metadata.",
    responses=refusals(NotFound),
)
async def server_metadata(request: Request) -> Response:
    """Where to find what verifies tokens (RFC 8414).

    Where `WUTANG_ISSUER` is an https URL; the path may be followed by that of the issuer. No envelope.
    """
    issuer = request.app.state.settings.issuer
    parts = urlsplit(issuer)
    asked = request.path_params.get("issuer_path")
    if parts.scheme != "https" or not parts.netloc or asked not in (None, parts.path.strip("/")):
        raise NotFound
    base = issuer.removesuffix("/")
    metadata = {
        "issuer": issuer,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "introspection_endpoint": f"{base}/api/auth/introspect",
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "service_documentation": f"{base}/docs",
        "response_types_supported": [],
        "grant_types_supported": [],
    }
    return Response(to_json(metadata), 200, _CACHE, "application/json")


router.get(f"{_METADATA_PATH}/{{issuer_path:path}}", include_in_schema=False)(server_metadata)
