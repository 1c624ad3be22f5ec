"""The envelope of every answer, and the only place where an exception becomes one."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_args, get_origin

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.errors import (
    AuthError,
    Failed,
    FieldError,
    InsufficientScope,
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    TokenMissing,
    Unauthenticated,
)
from wutang_auth.messages import field_problem
from wutang_auth.observability.logs import places
from wutang_auth.response_codes import Language, ResponseCode

logger = logging.getLogger(__name__)

T = TypeVar("T")

REALM = 'Bearer realm="wutang-auth"'


class Envelope(BaseModel, Generic[T]):
    """What every JSON answer under /api looks like."""

    code: int = Field(description="one of the eight response codes")
    message: str = Field(description="the code's meaning")
    data: T

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """What the OpenAPI document calls it, and so the classes of generated clients: `UserEnvelope`."""
        model = params[0]
        if get_origin(model) is list:
            return f"{get_args(model)[0].__name__.removesuffix('Body')}ListEnvelope"
        return "EmptyEnvelope" if model in (None, type(None)) else f"{model.__name__.removesuffix('Body')}Envelope"


class ErrorField(BaseModel):
    """One field that was not understood."""

    field: str = Field(description="its name; `body` where the body as a whole is to blame", examples=["email"])
    message: str = Field(description="what is wrong with it", examples=["必须填写"])


class ErrorEnvelope(BaseModel):
    """An answer that refuses."""

    code: int = Field(description="one of the eight response codes")
    message: str = Field(description="the code's meaning; `Unauthenticated.` from the guard")
    data: None


class InvalidParametersEnvelope(ErrorEnvelope):
    """An answer to a request that was not understood."""

    errors: list[ErrorField] = Field(description="empty where no field is to blame")


def language(request: Request) -> Language:
    """The language that the client prefers: Chinese unless `Accept-Language` puts English first (RFC 9110, 12.5.4)."""
    for name, value in request.scope["headers"]:
        if name == b"accept-language":
            return _preferred_language(value)
    return "zh"


@lru_cache(maxsize=256)
def _preferred_language(header: bytes) -> Language:
    quality = {"zh": -1.0, "en": -1.0, "*": 0.0}
    for item in header[:256].decode("latin-1").split(","):
        tag, _, parameter = item.strip().partition(";")
        name = tag.strip().lower().split("-")[0]
        if name in quality:
            quality[name] = max(quality[name], _quality(parameter))
    chinese, english = (quality[name] if quality[name] >= 0 else quality["*"] for name in ("zh", "en"))
    return "en" if english > chinese else "zh"


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


_OK_HEAD: dict[Language, bytes] = {
    "zh": to_json({"code": 20001, "message": ResponseCode.OK.chinese})[:-1] + b',"data":',
    "en": to_json({"code": 20001, "message": ResponseCode.OK.english})[:-1] + b',"data":',
}


def ok(
    request: Request, data: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None, status: int = 200
) -> Response:
    """The envelope of success."""
    return _Json(_OK_HEAD[language(request)] + to_json(data) + b"}", status)


class _Json(Response):
    """JSON that is bytes already: Starlette's own would look for what there is to encode."""

    def __init__(self, body: bytes, status: int) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def install(app: FastAPI, allowed_methods: Callable[[str], set[str]]) -> None:
    """Make every exception an envelope; `allowed_methods` tells what a path takes, for 405."""

    async def handle(request: Request, error: Exception) -> Response:
        response = answer(request, error)
        if response.status_code == 405:
            # RFC 9110 section 10.2.1: all methods of the path; Starlette tells those of one route
            response.headers["Allow"] = ", ".join(sorted(allowed_methods(request.scope["path"])))
        return response

    for kind in (AuthError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def answer(request: Request, error: Exception) -> Response:
    """The envelope of whatever was raised."""
    if isinstance(error, AuthError):
        if error.status >= 500:
            logger.error("answered %d: %s", error.status, _cause(error))
        return refusal(request, error)
    if isinstance(error, RequestValidationError):
        return refusal(request, InvalidParameters(field_errors(error.errors())))
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return refusal(request, _BY_STATUS[error.status_code]())
    if isinstance(error, HTTPException) and error.status_code < 500:
        return refusal(request, InvalidParameters())
    # SECURITY: where it broke, not with what; messages of foreign exceptions hold values
    logger.critical("a bug: %s", type(error).__name__, extra={"fields": {"places": places(error.__traceback__)}})
    return refusal(request, Failed())


_BY_STATUS: dict[int, type[AuthError]] = {404: NotFound, 405: MethodNotAllowed, 413: PayloadTooLarge}


def refusal(request: Request, error: AuthError) -> Response:
    """The envelope of an error."""
    spoken = language(request)
    content: dict[str, Any] = {"code": error.code.number, "message": error.code.message(spoken), "data": None}
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        content["message"] = "Unauthenticated."
    if error.status == 401:
        # RFC 6750 section 3.1: no error code where no token was sent
        sent = isinstance(error, Unauthenticated) and not isinstance(error, TokenMissing)
        headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token"' if sent else REALM
    if isinstance(error, InsufficientScope):
        headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, InvalidParameters):
        content["errors"] = [_error_field(field, spoken) for field in error.errors]
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Response(to_json(content), error.status, headers, "application/json")


def _error_field(error: FieldError, language: Language) -> dict[str, str]:
    return {"field": error.field, "message": field_problem(error.problem, language, limit=error.limit)}


def _cause(error: BaseException) -> str:
    names = [type(error).__name__]
    while error.__cause__ is not None:
        error = error.__cause__
        names.append(type(error).__name__)
    return " from ".join(names)


def field_errors(errors: Iterable[Any]) -> list[FieldError]:
    """Pydantic's findings without the values it found: the first for each field, which of a list may have thousands."""
    found: dict[str, FieldError] = {}
    for error in errors:
        described = _field_error(error)
        found.setdefault(described.field, described)
    return list(found.values())


def _field_error(error: ErrorDetails) -> FieldError:
    # SECURITY: the location names declared fields only; of a list or an object the first step is enough
    places = [str(place) for place in error["loc"] if place not in ("body", "query", "path", "header")]
    return FieldError(places[0] if places else "body", error["type"])
