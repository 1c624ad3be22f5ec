"""Request and response bodies."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from wutang_auth import passwords
from wutang_auth.emails import MAX_LENGTH, parse_email
from wutang_auth.repository import UserRecord
from wutang_auth.tokens import TokenPair

_UNFIT = re.compile("[\x00\ud800-\udfff]")


def _fit_for_text(value: str) -> str:
    # PostgreSQL's text has no NUL, UTF-8 no lone surrogates
    if _UNFIT.search(value):
        raise PydanticCustomError("unfit_text", "unfit")
    return value


def _email(value: str) -> str:
    try:
        return parse_email(value)
    except ValueError:
        raise PydanticCustomError("email", "not an e-mail address") from None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Email = Annotated[str, AfterValidator(_email), Field(max_length=MAX_LENGTH + 64, json_schema_extra={"format": "email"})]
SentPassword = Annotated[
    str,
    AfterValidator(_fit_for_text),
    Field(min_length=1, max_length=passwords.MAX_LENGTH, json_schema_extra={"format": "password"}),
]
Moment = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T08:00:00Z"]}, "serialization"),
]


class RequestBody(BaseModel):
    """What a client sends: strict types, unknown names ignored, input hidden from every message."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class LoginBody(RequestBody):
    """Credentials."""

    email: Email = Field(description="trimmed; case does not matter", examples=["demo@wutang.example"])
    password: SentPassword = Field(description="taken as it is", repr=False, examples=["correct horse battery staple"])


class TokenPairBody(BaseModel):
    """Two tokens of one session."""

    access_token: str = Field(
        description="a JWT (RFC 9068), for `Authorization: Bearer`",
        examples=["eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl"],
    )
    token_type: Literal["bearer"]
    expires_in: int = Field(description="seconds until the access token expires", examples=[3600])
    refresh_token: str = Field(
        description="a JWT that only `PUT /api/auth/refresh` and logout take",
        examples=["eyJ0eXAiOiJydCtqd3QifQ.e30.c2lnbmF0dXJl"],
    )
    refresh_expires_in: int = Field(description="seconds until the session ends", examples=[1209600])

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenPairBody":
        """As it is sent."""
        return cls.model_construct(
            access_token=pair.access_token,
            token_type="bearer",  # noqa: S106 -- RFC 6750's name, no secret
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token,
            refresh_expires_in=pair.refresh_expires_in,
        )


class UserBody(BaseModel):
    """A user."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Demo"])
    email: str = Field(examples=["demo@wutang.example"])
    email_verified_at: Moment | None
    scopes: list[str] = Field(description="what the user may do", examples=[["users:read"]])
    disabled: bool = Field(description="a disabled user cannot log in", examples=[False])
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, user: UserRecord) -> "UserBody":
        """As it is sent."""
        return cls.model_construct(
            id=user.id,
            name=user.name,
            email=user.email,
            email_verified_at=user.email_verified_at,
            scopes=user.scopes,
            disabled=user.disabled_at is not None,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
