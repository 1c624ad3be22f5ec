"""What a refusal says in `data`, where there is something that helps."""

from typing import Annotated, NotRequired

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from wutang_auth.errors import AuthError, NotFresh, SecondFactorMissing, SecondFactorNeeded


class _HelpfulEnvelope(BaseModel):
    code: int = Field(description="one of the eight response codes")
    message: str = Field(description="the code's meaning")


class FreshnessBody(TypedDict):
    """What helps against a refusal for want of freshness."""

    max_age: Annotated[
        int | None, Field(description="seconds that the last proof may lie back; null: any number", examples=[300])
    ]
    methods: Annotated[
        list[str],
        Field(
            description="what to give for it, all of them: `password`, and `totp` of who has it",
            examples=[["password"]],
        ),
    ]
    amr: NotRequired[Annotated[list[str], Field(description="what the proof must have (RFC 8176), where that matters")]]


class NotFreshBody(TypedDict):
    """Why it was refused."""

    reauthenticate: FreshnessBody


class NotFreshEnvelope(_HelpfulEnvelope):
    """An answer that asks for a fresh proof of who it is."""

    data: NotFreshBody


class ChallengeBody(TypedDict):
    """What the second step of a login needs."""

    challenge: Annotated[
        str,
        Field(
            description="for `POST /api/auth/login/second`", examples=["mJ3nT0h2yqk0f1oTLqv8yqvC8k1o5G2b7yq0wX3ZrQ4"]
        ),
    ]
    expires_in: Annotated[int, Field(description="seconds until it counts no more", examples=[300])]
    methods: Annotated[list[str], Field(description="of which one is needed", examples=[["totp", "recovery_code"]])]


class SecondFactorNeededBody(TypedDict):
    """Why there are no tokens yet."""

    mfa: ChallengeBody


class SecondFactorNeededEnvelope(_HelpfulEnvelope):
    """An answer to a right password that is not enough."""

    data: SecondFactorNeededBody


class EnrolmentBody(TypedDict):
    """What has to be added."""

    methods: Annotated[list[str], Field(description="of which one is needed", examples=[["totp"]])]


class SecondFactorMissingBody(TypedDict):
    """Why it was refused."""

    enrol: EnrolmentBody


class SecondFactorMissingEnvelope(_HelpfulEnvelope):
    """An answer to who must add a second factor first."""

    data: SecondFactorMissingBody


ENVELOPES: dict[type[AuthError], type[BaseModel]] = {
    NotFresh: NotFreshEnvelope,
    SecondFactorNeeded: SecondFactorNeededEnvelope,
    SecondFactorMissing: SecondFactorMissingEnvelope,
}


def refusal_data(error: AuthError) -> NotFreshBody | SecondFactorNeededBody | SecondFactorMissingBody | None:
    """The `data` of an error."""
    if isinstance(error, NotFresh):
        freshness: FreshnessBody = {"max_age": error.max_age, "methods": [*error.methods]}
        if error.amr:
            freshness["amr"] = [*error.amr]
        return {"reauthenticate": freshness}
    if isinstance(error, SecondFactorNeeded):
        challenge: ChallengeBody = {
            "challenge": error.challenge, "expires_in": error.expires_in, "methods": [*error.methods],
        }  # fmt: skip
        return {"mfa": challenge}
    if isinstance(error, SecondFactorMissing):
        return {"enrol": {"methods": [*error.methods]}}
    return None
