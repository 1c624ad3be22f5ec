"""Request and response bodies of accounts."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from wutang_auth.api.envelope import Envelope
from wutang_auth.api.schemas.request_body import RequestBody, without_defaults
from wutang_auth.api.schemas.values import Email, Name, NewPassword, Scopes, SentTimestamp, Timestamp, written
from wutang_auth.repository import UserChange, UserRecord
from wutang_auth.service import NewUser, UserPage


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
