"""Kinds of values in bodies: how they are read, described and written."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from wutang_auth import fields
from wutang_auth.fields import format_timestamp
from wutang_auth.passwords import hashing as passwords

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_FIT_FOR_TEXT = r"^[^\u0000]*$"  # for documents, in which there are no surrogates


def _fit_for_text(value: str) -> str:
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
SentText = Annotated[str, AfterValidator(_fit_for_text), Field(json_schema_extra={"pattern": _FIT_FOR_TEXT})]
SentPassword = Annotated[
    SentText, Field(min_length=1, max_length=passwords.MAX_LENGTH, json_schema_extra={"format": "password"})
]
Code = Annotated[str, AfterValidator(_code), Field(json_schema_extra={"pattern": "^[0-9]{6}$"})]
_NEW_PASSWORD = {"format": "password", "minLength": 8, "maxLength": passwords.MAX_LENGTH, "pattern": _FIT_FOR_TEXT}
# no constraints: passwords/rules.py has them, and says how to meet them
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


def written(value: datetime) -> datetime | str:
    """A timestamp as it is sent: pydantic-core, ten times as fast, writes six digits unless all of them are zeros."""
    return value if value.microsecond else format_timestamp(value)
