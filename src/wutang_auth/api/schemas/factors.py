"""Request and response bodies of second factors and of freshness."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from wutang_auth import fields
from wutang_auth.api.envelope import Envelope
from wutang_auth.api.schemas.auth import RefreshTokenIn, TokenPairBody
from wutang_auth.api.schemas.request_body import RequestBody, without_defaults
from wutang_auth.api.schemas.values import Code, SentPassword, SentText, Timestamp, written

if TYPE_CHECKING:
    from wutang_auth.service.factors import Factors, NewTotp  # freshness has its body here, also without them


def _recovery_code(value: str) -> str:
    try:
        return fields.parse_recovery_code(value)
    except ValueError:
        raise PydanticCustomError("recovery_code", "no recovery code") from None


_GROUP = "[0-9A-HJKMNP-TV-Z]{5}"
RecoveryCode = Annotated[
    str, AfterValidator(_recovery_code), Field(json_schema_extra={"pattern": f"^{_GROUP}(-{_GROUP}){{4}}$"})
]
_A_RECOVERY_CODE = "7Q2MX-0ZK4D-9HFT3-VWB6N-R8E1C"
_RECOVERY_CODES = Annotated[
    list[str],
    Field(description="each stands in for the app, once; they are shown this once", examples=[[_A_RECOVERY_CODE]]),
]


class CodeBody(RequestBody):
    """A code of the app."""

    code: Code = Field(description="spaces in it do not matter", repr=False, examples=["492039"])


def _one_of_two(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema["oneOf"] = [{"required": ["code"]}, {"required": ["recovery_code"]}]
    schema["examples"] = [{"challenge": "mJ3nT0h2yqk0f1oTLqv8yqvC8k1o5G2b7yq0wX3ZrQ4", "code": "492039"}]


class LoginSecondBody(RequestBody):
    """The second step of a login."""

    model_config = ConfigDict(json_schema_extra=_one_of_two)

    challenge: SentText = Field(min_length=1, max_length=128, description="of the first step", repr=False)
    code: Code | SkipJsonSchema[None] = Field(None, description="of the app", repr=False)
    recovery_code: RecoveryCode | SkipJsonSchema[None] = Field(
        None,
        description="instead of a code; case and hyphens do not matter",
        repr=False,
        validate_default=True,
        examples=[_A_RECOVERY_CODE],
    )
    refresh: RefreshTokenIn = Field(
        "body", description="where the refresh token comes: `cookie` is for pages in a browser"
    )

    @field_validator("recovery_code")
    @classmethod
    def _is_one_of_two(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "code" in info.data and (value is None) == (info.data["code"] is None):
            raise PydanticCustomError("one_factor", "one of the two")
        return value


def _password_alone(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema["examples"] = [{"password": "correct horse battery staple"}]


class ReauthenticateBody(RequestBody):
    """The caller's password once more, and a code of who has an app."""

    model_config = ConfigDict(json_schema_extra=_password_alone)

    password: SentPassword = Field(repr=False)
    code: Code | SkipJsonSchema[None] = Field(None, description="of the app; needed of who has one", repr=False)


class TotpBody(TypedDict):
    """An app that makes codes."""

    added_at: Timestamp


class FactorsBody(TypedDict):
    """The caller's second factors."""

    totp: Annotated[TotpBody | None, Field(description="the app; null: there is none")]
    recovery_codes: Annotated[int, Field(description="how many are left", examples=[8])]
    required: Annotated[bool, Field(description="whether the caller must have a second factor", examples=[False])]


class FactorsEnvelope(Envelope[FactorsBody]):
    """Success with the caller's second factors."""


def factors_body(factors: "Factors") -> FactorsBody:
    """Second factors as they are shown to their owner."""
    added_at = factors.record.confirmed_at
    return {
        "totp": None if added_at is None else {"added_at": written(added_at)},
        "recovery_codes": factors.record.recovery_codes,
        "required": factors.is_required,
    }


class NewTotpBody(TypedDict):
    """What an app is to be given; it counts when its first code has come."""

    secret: Annotated[str, Field(description="to be typed, in base32", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])]
    uri: Annotated[
        str,
        Field(
            description="the same, as apps read it",
            examples=["otpauth://totp/shop.example:demo@wutang.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
        ),
    ]
    qr: Annotated[
        str, Field(description="the same, to be scanned: an SVG document", examples=["<svg xmlns='…'>…</svg>"])
    ]


class NewTotpEnvelope(Envelope[NewTotpBody]):
    """Success with what an app is to be given."""


def new_totp_body(new: "NewTotp") -> NewTotpBody:
    """What an app is to be given, as it is sent."""
    return {"secret": new.secret, "uri": new.uri, "qr": new.qr}


class RecoveryCodesBody(TypedDict):
    """Codes for the day when the app is gone."""

    recovery_codes: _RECOVERY_CODES


class RecoveryCodesEnvelope(Envelope[RecoveryCodesBody]):
    """Success with recovery codes."""


class SecondTokenPairBody(TokenPairBody):
    """Two tokens of one session, which began with a second factor."""

    new_recovery_code: Annotated[
        str | None,
        Field(description="replaces the one that was used; it is shown this once", examples=[_A_RECOVERY_CODE]),
    ]


class SecondTokenPairEnvelope(Envelope[SecondTokenPairBody]):
    """Success with a token pair."""
