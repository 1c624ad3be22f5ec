"""Request bodies: read within limits, as JSON or a form, and parsed as a model."""

import asyncio
import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from wutang_auth.api.envelope import field_errors
from wutang_auth.api.header_values import parameters
from wutang_auth.api.middleware.limits import MAX_BODY
from wutang_auth.errors import (
    FieldError,
    InvalidParameters,
    PayloadTooLarge,
    UnsupportedContentCoding,
    UnsupportedMediaType,
)
from wutang_auth.tokens import strict_json

Body = TypeVar("Body", bound=BaseModel)

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

# What programs say of UTF-8: its name, or their library's default, whatever the bytes are. JSON knows no such parameter
# (RFC 8259 section 11). Whoever means another encoding is told that the bytes cannot be read.
_MEANS_UTF_8 = re.compile(
    r"""['\s]*(|utf-?8|(us-)?ascii|ansi_x3\.4-19\d\d|iso[-_]?8859[-_]\d{1,2}|latin-?\d|(windows-|cp)125\d)['\s]*""",
    re.IGNORECASE,
)

_BODY_SHARE = 2 / 3  # of the time that a request may take: then its client still gets an answer
_MAX_FORM_FIELDS = 1000


class ParsedBody(Generic[Body]):
    """Reads the body as this model, from JSON or, where allowed, from an urlencoded form."""

    def __init__(self, model: type[Body], *, form: bool) -> None:
        self.model = model
        self._parsers: dict[str, Callable[[bytes], Any]] = {JSON: _json}
        if form:
            self._parsers[FORM] = partial(_form, known=model.model_fields)
        self.media_types = tuple(self._parsers)

    async def __call__(self, request: Request) -> Body:
        """The body.

        Raises:
            InvalidParameters: not this model; the fields are named.
            UnsupportedMediaType: not in UTF-8, or of another media type.
            UnsupportedContentCoding: compressed.
        """
        content_type = request.headers.get("content-type", "")
        parse = self._parsers.get(content_type.partition(";")[0].strip().lower())
        if parse is None:
            raise UnsupportedMediaType(", ".join(self.media_types))
        if not all(_MEANS_UTF_8.fullmatch(value) for name, value in parameters(content_type) if name == "charset"):
            raise UnsupportedMediaType(", ".join(f"{media_type}; charset=utf-8" for media_type in self.media_types))
        codings = request.headers.get("content-encoding", "").lower().split(",")
        if any(coding.strip() not in ("", "identity") for coding in codings):
            raise UnsupportedContentCoding(", ".join(self.media_types))
        document = parse(await _content(request))
        try:
            return self.model.model_validate(document)
        except ValidationError as error:
            raise InvalidParameters(field_errors(error.errors(include_input=False, include_url=False))) from None


def parsed_body(model: type[Body], *, form: bool = False) -> ParsedBody[Body]:
    """A dependency; an object, so that the OpenAPI document can tell the body."""
    return ParsedBody(model, form=form)


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


def _form(content: bytes, known: Collection[str]) -> dict[str, str]:
    """The fields of a form; each known one at most once, whatever else there is."""
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
    fields = [] if pairs is None else [(name, value) for name, value in pairs if name in known]
    if pairs is None or len(dict(fields)) != len(fields):
        raise InvalidParameters([FieldError("body", "form")])
    return dict(fields)
