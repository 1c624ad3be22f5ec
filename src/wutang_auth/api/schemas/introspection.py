"""Request and response bodies of introspection."""

from typing import Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from wutang_auth.api.schemas.request_body import RequestBody
from wutang_auth.service.introspection import Introspection


class IntrospectBody(RequestBody):
    """A token to be looked at (RFC 7662 section 2.1)."""

    token: str = Field(description="an access or a refresh token", examples=["eyJhbGciOiJFUzI1NiJ9.e30.c2ln"])


class IntrospectionBody(BaseModel):
    """What a token is (RFC 7662 section 2.2)."""

    active: bool = Field(description="whether it counts; all else is there only if it does", examples=[True])
    scope: str | SkipJsonSchema[None] = Field(None, description="the user's scopes now, between spaces")
    client_id: str | SkipJsonSchema[None] = Field(None, description="of an access token")
    token_type: Literal["Bearer"] | SkipJsonSchema[None] = Field(None, description="of an access token")
    exp: int | SkipJsonSchema[None] = Field(None, description="when it expires, in seconds since the epoch")
    iat: int | SkipJsonSchema[None] = None
    nbf: int | SkipJsonSchema[None] = None
    sub: str | SkipJsonSchema[None] = Field(None, description="the user's id", examples=["1"])
    aud: str | SkipJsonSchema[None] = None
    iss: str | SkipJsonSchema[None] = None
    jti: str | SkipJsonSchema[None] = None
    sid: str | SkipJsonSchema[None] = Field(None, description="the session's id")
    auth_time: int | SkipJsonSchema[None] = Field(
        None, description="when the user had last proved who it is as the token was made (RFC 9470 section 6.2)"
    )
    amr: list[str] | SkipJsonSchema[None] = Field(
        None, description="by what (RFC 8176); where there are second factors"
    )


_INTROSPECTED = ("client_id", "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "sid", "auth_time", "amr")


def introspection_body(found: Introspection | None) -> dict[str, object]:
    """The answer about a token; None is one that does not count."""
    if found is None:
        return {"active": False}
    told = {name: found.document[name] for name in _INTROSPECTED if name in found.document}
    kind = {"token_type": "Bearer"} if found.claims.kind == "access" else {}
    return {"active": True, "scope": " ".join(found.user.scopes), **kind, **told}
