"""Request bodies: read within limits, as JSON or a form, and parsed as a model."""

import asyncio
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from wutang_auth.api.envelope import field_errors
from wutang_auth.api.middleware.limits import MAX_BODY
from wutang_auth.errors import FieldError, InvalidParameters, PayloadTooLarge, UnsupportedMediaType
from wutang_auth.tokens import strict_json

Body = TypeVar("Body", bound=BaseModel)

_BODY_SHARE = 2 / 3  # of the time that a request may take: then its client still gets an answer
_MAX_FORM_FIELDS = 16


class ParsedBody(Generic[Body]):
    """Reads the body as this model, from JSON or, where allowed, from an urlencoded form."""

    def __init__(self, model: type[Body], *, form: bool) -> None:
        self.model = model
        self.form = form

    async def __call__(self, request: Request) -> Body:
        """The body.

        Raises:
            InvalidParameters: not this model; the fields are named.
        """
        media_type = _media_type(request)
        if media_type != "application/json" and not (self.form and media_type == "application/x-www-form-urlencoded"):
            raise UnsupportedMediaType
        content = await _content(request)
        document = _json(content) if media_type == "application/json" else _form(content)
        try:
            return self.model.model_validate(document)
        except ValidationError as error:
            raise InvalidParameters(field_errors(error.errors(include_input=False, include_url=False))) from None


def parsed_body(model: type[Body], *, form: bool = False) -> ParsedBody[Body]:
    """A dependency; an object, so that the OpenAPI document can tell the body."""
    return ParsedBody(model, form=form)


def _media_type(request: Request) -> str:
    """The body's media type; a charset other than UTF-8 makes it one that no route reads."""
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            return ""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return ""
    return media_type.strip()


async def _content(request: Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SHARE * request.app.state.settings.receive_timeout):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_BODY:
                    raise PayloadTooLarge
    except (TimeoutError, ClientDisconnect):
        raise InvalidParameters from None
    return bytes(content)


def _json(content: bytes) -> Any:
    try:
        return strict_json.loads(content)
    except ValueError:
        raise InvalidParameters([FieldError("body", "json")]) from None


def _form(content: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(content),
            errors="strict",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except ValueError:
        pairs = None
    if pairs is None or len(dict(pairs)) != len(pairs):
        raise InvalidParameters([FieldError("body", "form")])
    return dict(pairs)
