"""Request and response bodies of authentication."""

from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypeAliasType, TypedDict

from wutang_auth.api.envelope import Envelope
from wutang_auth.api.schemas.request_body import RequestBody, without_defaults
from wutang_auth.api.schemas.users import UserBody, user_body
from wutang_auth.api.schemas.values import Code, Email, Name, NewPassword, SentPassword, Timestamp, written
from wutang_auth.repository import SessionRecord, UserRecord
from wutang_auth.service import Caller
from wutang_auth.tokens.access import TokenPair

Amr = Annotated[
    list[str],
    Field(
        description="by what the user proved who it is (RFC 8176); absent where `WUTANG_MFA` is off",
        examples=[["pwd", "otp", "mfa"]],
    ),
]


def _credentials(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema["examples"] = [{"email": "demo@wutang.example", "password": "correct horse battery staple"}]


# a schema with a name: generators of types stumble over enumerations within alternatives
RefreshTokenIn = TypeAliasType("RefreshTokenIn", Literal["body", "cookie"])


class LoginBody(RequestBody):
    """Credentials."""

    model_config = ConfigDict(json_schema_extra=_credentials)

    email: Email = Field(description="trimmed; case does not matter")
    password: SentPassword = Field(description="taken as it is", repr=False)
    code: Code | SkipJsonSchema[None] = Field(
        None, description="of the app of who has a second factor, for programs: it saves the second step", repr=False
    )
    refresh: RefreshTokenIn = Field(
        "body", description="where the refresh token comes: `cookie` is for pages in a browser"
    )


class ChangePasswordBody(RequestBody):
    """A password and the one that follows it."""

    current_password: SentPassword = Field(repr=False, examples=["correct horse battery staple"])
    new_password: NewPassword = Field(
        description="not among the most used ones, not the e-mail, not the name, not the current one",
        repr=False,
        examples=["seven small violet umbrellas"],
    )


class UpdateMeBody(RequestBody):
    """What users may change of themselves."""

    name: Name = Field(examples=["Grace Hopper"])


class TokenPairBody(TypedDict):
    """Two tokens of one session."""

    access_token: Annotated[
        str,
        Field(
            description="a JWT (RFC 9068), for `Authorization: Bearer`",
            examples=["eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl"],
        ),
    ]
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="seconds until the access token expires", examples=[3600])]
    refresh_token: Annotated[
        str | None,
        Field(
            description="a JWT that only `PUT /api/auth/refresh` and logout take; null where it comes in the cookie",
            examples=["eyJ0eXAiOiJydCtqd3QifQ.e30.c2lnbmF0dXJl"],
        ),
    ]
    refresh_expires_in: Annotated[int, Field(description="seconds until the session ends", examples=[1209600])]


class TokenPairEnvelope(Envelope[TokenPairBody]):
    """Success with a token pair."""


def token_pair_body(pair: TokenPair) -> TokenPairBody:
    """A pair as it is sent."""
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": pair.refresh_expires_in,
    }


class MeBody(UserBody):
    """The caller."""

    amr: NotRequired[Amr]


class MeEnvelope(Envelope[MeBody]):
    """Success with the caller."""


def me_body(user: UserRecord, caller: Caller) -> UserBody:
    """The caller as it is sent, with how it proved who it is where there are second factors."""
    body = user_body(user)
    if caller.authentication is None:
        return body
    told: MeBody = {**body, "amr": caller.authentication.amr}
    return told


class SessionBody(TypedDict):
    """A session of the caller's."""

    id: Annotated[UUID, Field(examples=["8d9a1c9e-2f0e-4a6b-9c4d-5b8f0d3e7a61"])]
    created_at: Timestamp
    refreshed_at: Timestamp
    expires_at: Timestamp
    ip: Annotated[str | None, Field(description="the address that logged in", examples=["192.0.2.7"])]
    user_agent: Annotated[str | None, Field(description="the program that logged in", examples=["Mozilla/5.0"])]
    current: Annotated[bool, Field(description="whether it is the one that asks", examples=[True])]
    amr: NotRequired[Amr]


class SessionListEnvelope(Envelope[list[SessionBody]]):
    """Success with the caller's sessions."""


def session_body(session: SessionRecord, caller: Caller) -> SessionBody:
    """A session as it is sent to its owner."""
    body: SessionBody = {
        "id": session.id,
        "created_at": written(session.created_at),
        "refreshed_at": written(session.rotated_at),
        "expires_at": written(session.expires_at),
        "ip": session.ip,
        "user_agent": session.user_agent,
        "current": session.id == caller.session_id,
    }
    if caller.authentication is not None:
        body["amr"] = session.amr
    return body
