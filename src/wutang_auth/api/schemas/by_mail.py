"""Request and response bodies of what is done by mail."""

from typing import Annotated

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from wutang_auth.api.envelope import Envelope
from wutang_auth.api.schemas.request_body import RequestBody, without_defaults
from wutang_auth.api.schemas.values import Email, Name, NewPassword, SentText, Timestamp, written
from wutang_auth.fields import Purpose
from wutang_auth.repository import MailToken

LinkToken = Annotated[
    SentText,
    Field(
        min_length=1,
        max_length=1024,
        description="what stands behind the `=` of the link",
        repr=False,
        examples=["mJ3nT0h2yqk0f1oTLqv8yqvC8k1o5G2b7yq0wX3ZrQ4"],
    ),
]


class EmailBody(RequestBody):
    """An address."""

    email: Email = Field(description="trimmed; case does not matter", examples=["grace@wutang.example"])


class LinkBody(RequestBody):
    """The token of a link."""

    token: LinkToken


class RegisterBody(RequestBody):
    """What an account needs besides its address."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    token: LinkToken
    name: Name = Field("", examples=["Grace"])
    password: NewPassword = Field(
        description="not among the most used ones, not the e-mail, not the name",
        repr=False,
        examples=["seven small violet umbrellas"],
    )


class ResetPasswordBody(RequestBody):
    """A password, and the link that allows to set it."""

    token: LinkToken
    password: NewPassword = Field(
        description="not among the most used ones, not the e-mail, not the name",
        repr=False,
        examples=["seven small violet umbrellas"],
    )


class FoundLinkBody(TypedDict):
    """What a link is for."""

    purpose: Annotated[Purpose, Field(description="as in the link itself", examples=["reset"])]
    email: Annotated[
        str,
        Field(
            description="the address that it is about: of a change the new one, of `email_undo` the old one",
            examples=["grace@wutang.example"],
        ),
    ]
    expires_at: Timestamp


class FoundLinkEnvelope(Envelope[FoundLinkBody]):
    """Success with what a link is for."""


def found_link_body(token: MailToken) -> FoundLinkBody:
    """A link as it is shown."""
    return {"purpose": token.purpose, "email": token.email, "expires_at": written(token.expires_at)}
