"""Request and response bodies."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType, TypedDict

from wutang_auth import fields
from wutang_auth.api.envelope import Envelope
from wutang_auth.fields import format_timestamp
from wutang_auth.passwords import hashing as passwords
from wutang_auth.repository import SessionRecord, UserChange, UserRecord
from wutang_auth.service import Caller, NewUser, UserPage
from wutang_auth.tokens.access import TokenPair

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_FIT_FOR_TEXT = r"^[^\u0000]*$"  # for documents, in which there are no surrogates


def fit_for_text(value: str) -> str:
    """The text, if PostgreSQL and UTF-8 can hold it.

    Raises:
        PydanticCustomError: they cannot.
    """
    # PostgreSQL's text has no NUL, UTF-8 no lone surrogates
    if _UNFIT.search(value):
        raise PydanticCustomError("unfit_text", "unfit")
    return value


def _email(value: str) -> str:
    try:
        return fields.parse_email(value)
    except ValueError:
        raise PydanticCustomError("email", "not an e-mail address") from None


def _name(value: str) -> str:
    try:
        return fields.parse_name(value)
    except ValueError:
        raise PydanticCustomError("name", "not a name") from None


def _scopes(value: list[str]) -> list[str]:
    try:
        return fields.parse_scopes(value)
    except ValueError:
        raise PydanticCustomError("scopes", "not scopes") from None


def _code(value: str) -> str:
    try:
        return fields.parse_code(value)
    except ValueError:
        raise PydanticCustomError("code", "not six digits") from None


def _sent_timestamp(value: Any) -> Any:
    if value is None:
        return None
    try:
        return fields.parse_timestamp(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("timestamp", "not a timestamp") from None


Email = Annotated[
    str, AfterValidator(_email), Field(max_length=fields.EMAIL_MAX_LENGTH + 64, json_schema_extra={"format": "email"})
]
SentPassword = Annotated[
    str,
    AfterValidator(fit_for_text),
    Field(
        min_length=1,
        max_length=passwords.MAX_LENGTH,
        json_schema_extra={"format": "password", "pattern": _FIT_FOR_TEXT},
    ),
]
Code = Annotated[str, AfterValidator(_code), Field(json_schema_extra={"pattern": "^[0-9]{6}$"})]
_NEW_PASSWORD = {"format": "password", "minLength": 8, "maxLength": passwords.MAX_LENGTH, "pattern": _FIT_FOR_TEXT}
# no constraints: password_rules.py has them, and says how to meet them
NewPassword = Annotated[str, Field(json_schema_extra={**_NEW_PASSWORD})]
_NAME = {"maxLength": fields.NAME_MAX_LENGTH, "pattern": f"^{fields.NAME_PATTERN}$"}
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={**_NAME})]
Scopes = Annotated[
    list[
        Annotated[
            str, Field(json_schema_extra={"pattern": f"^{fields.SCOPE_PATTERN}$", "maxLength": fields.SCOPE_MAX_LENGTH})
        ]
    ],
    AfterValidator(_scopes),
    Field(json_schema_extra={"maxItems": fields.MAX_SCOPES}),
]
SentTimestamp = Annotated[datetime | None, BeforeValidator(_sent_timestamp, json_schema_input_type=datetime | None)]
Timestamp = Annotated[
    datetime | str,
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T08:00:00.000000Z"]}),
]


Amr = Annotated[
    list[str],
    Field(
        description="by what the user proved who it is (RFC 8176); absent where `WUTANG_MFA` is off",
        examples=[["pwd", "otp", "mfa"]],
    ),
]


class RequestBody(BaseModel):
    """What a client sends: strict types, unknown names ignored, input hidden from every message."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Leave the defaults out of a JSON schema: generators of types take who has one for one that is always sent."""
    for field in schema["properties"].values():
        field.pop("default", None)


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


def _password_unless_invited(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    is_invited = {"properties": {"invite": {"const": True}}, "required": ["invite"]}
    schema |= {"if": is_invited, "then": {"not": {"required": ["password"]}}, "else": {"required": ["password"]}}


class CreateUserBody(RequestBody):
    """A user to be."""

    model_config = ConfigDict(json_schema_extra=_password_unless_invited)

    email: Email = Field(description="trimmed; unique whatever its case", examples=["grace@wutang.example"])
    invite: bool = Field(
        default=False,
        description="mail a link by which the user chooses the password, which is left out then",
        examples=[False],
    )
    password: NewPassword | SkipJsonSchema[None] = Field(
        None,
        description="not among the most used ones, not the e-mail, not the name; needed without `invite`",
        validate_default=True,
        repr=False,
        examples=["correct horse battery staple"],
    )
    name: Name = Field("", examples=["Grace"])
    scopes: Scopes = Field([], description="at most those that the caller has", examples=[["users:read"]])
    disabled: bool = Field(default=False, description="a disabled user cannot log in", examples=[False])
    email_verified_at: SentTimestamp = Field(None, examples=["2026-11-23T08:00:00.000000Z"])

    @field_validator("password", mode="before")
    @classmethod
    def _is_chosen_once(cls, value: Any, info: ValidationInfo) -> Any:
        is_invited = info.data.get("invite", False)
        if value is None and not is_invited:
            raise PydanticCustomError("missing", "missing")
        if value is not None and is_invited:
            raise PydanticCustomError("with_invite", "with an invitation")
        return value

    def new_user(self) -> NewUser:
        """As the service takes it; without a password the user is invited."""
        return NewUser(
            email=self.email,
            password=self.password,
            name=self.name,
            scopes=self.scopes,
            disabled=self.disabled,
            email_verified_at=self.email_verified_at,
        )


class UpdateUserBody(RequestBody):
    """What to change of a user; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    email: Email | SkipJsonSchema[None] = Field(
        None, description="another address is unverified, unless `email_verified_at` comes with it",
        examples=["grace@wutang.example"],
    )  # fmt: skip
    password: NewPassword | SkipJsonSchema[None] = Field(
        None, description="ends the user's sessions", repr=False, examples=["correct horse battery staple"]
    )
    name: Name | SkipJsonSchema[None] = Field(None, examples=["Grace Hopper"])
    scopes: Scopes | SkipJsonSchema[None] = Field(
        None, description="all of them; at most those that the user or the caller has", examples=[["users:read"]]
    )
    disabled: bool | SkipJsonSchema[None] = Field(None, description="`true` ends the user's sessions", examples=[False])
    email_verified_at: SentTimestamp = Field(
        None, description="null clears it", examples=["2026-11-23T08:00:00.000000Z"]
    )

    @field_validator("email", "password", "name", "scopes", "disabled", mode="before")
    @classmethod
    def _is_not_null(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("null", "null")
        return value

    def change(self) -> UserChange:
        """As the service takes it, the password apart."""
        return UserChange(
            name=self.name,
            email=self.email,
            scopes=self.scopes,
            disabled=self.disabled,
            email_verified_at=self.email_verified_at,
            clear_email_verified_at="email_verified_at" in self.model_fields_set and self.email_verified_at is None,
        )


# What is sent is made here and needs no validation: dictionaries, which pydantic-core writes as they are.


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


def written(value: datetime) -> datetime | str:
    """A timestamp as it is sent: pydantic-core, ten times as fast, writes six digits unless all of them are zeros."""
    return value if value.microsecond else format_timestamp(value)


class UserBody(TypedDict):
    """A user."""

    id: Annotated[int, Field(examples=[1])]
    name: Annotated[str, Field(examples=["Demo"])]
    email: Annotated[str, Field(examples=["demo@wutang.example"])]
    email_verified_at: Timestamp | None
    scopes: Annotated[list[str], Field(description="what the user may do", examples=[["users:read"]])]
    disabled: Annotated[bool, Field(description="a disabled user cannot log in", examples=[False])]
    created_at: Timestamp
    updated_at: Timestamp


class UserEnvelope(Envelope[UserBody]):
    """Success with a user."""


def user_body(user: UserRecord) -> UserBody:
    """A user as it is sent."""
    verified_at = user.email_verified_at
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "email_verified_at": None if verified_at is None else written(verified_at),
        "scopes": user.scopes,
        "disabled": user.disabled_at is not None,
        "created_at": written(user.created_at),
        "updated_at": written(user.updated_at),
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


class UserPageBody(TypedDict):
    """Some users in the order of their ids."""

    items: list[UserBody]
    next: Annotated[
        int | None, Field(description="send it as `after` to get the next page; null at the end", examples=[51])
    ]


class UserPageEnvelope(Envelope[UserPageBody]):
    """Success with some users."""


def user_page_body(page: UserPage) -> UserPageBody:
    """A page as it is sent."""
    return {"items": [user_body(user) for user in page.users], "next": page.next}


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
