"""The envelope of every answer, and the only place where an exception becomes one."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from asyncpg import PostgresError
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth import audit
from wutang_auth.api.header_values import weighted
from wutang_auth.api.paths import route_path
from wutang_auth.api.refusal_data import refusal_data
from wutang_auth.database.failures import failure_of
from wutang_auth.errors import (
    AuthError,
    Conflict,
    DatabaseMisconfigured,
    Failed,
    FieldError,
    InsufficientScope,
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    NotFresh,
    TokenExpired,
    TokenMissing,
    TooManyAttempts,
    Unauthenticated,
    UnsupportedContentCoding,
    UnsupportedMediaType,
    in_words,
)
from wutang_auth.messages import field_problem
from wutang_auth.observability.logs import places
from wutang_auth.response_codes import Language, ResponseCode

logger = logging.getLogger(__name__)

T = TypeVar("T")

REALM = 'Bearer realm="wutang-auth"'


def _without_description(schema: dict[str, Any]) -> None:
    schema.pop("description", None)


class Envelope(BaseModel, Generic[T]):
    """What every JSON answer under /api looks like.

    A route names a class of its own for it, by which the OpenAPI document and the classes of generated clients are
    called: `class UserEnvelope(Envelope[UserBody])`.
    """

    model_config = ConfigDict(json_schema_extra=_without_description)  # `data` and its schema say it

    code: int = Field(description="one of the eight response codes")
    message: str = Field(description="the code's meaning")
    data: T


class EmptyEnvelope(Envelope[None]):
    """Success of what has nothing to tell."""


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
    headers = request.scope["headers"]
    for name, _ in headers:
        if name == b"accept-language":  # RFC 9110 section 5.3: sent several times, it is one list
            return _preferred_language(b",".join([value for name, value in headers if name == b"accept-language"]))
    return "zh"


# RFC 5646 section 2.1; what stands behind it does not matter, be it as in `zh-Hant-TW`, `zh_CN` or `zh_CN.UTF-8`
_PRIMARY_SUBTAG = re.compile("([a-z]+)(?:[-_.@].*)?")
_CHINESE = {
    # the macrolanguage by all its codes, and what it encompasses (ISO 639-3)
    "zh", "zho", "chi", "cmn", "yue", "wuu", "hak", "nan", "gan", "hsn", "cdo", "cjy", "cpx", "czh", "czo", "mnp",
}  # fmt: skip
_LANGUAGES: dict[str, Language] = {"en": "en", "eng": "en", **dict.fromkeys(_CHINESE, "zh")}


@lru_cache(maxsize=256)
def _preferred_language(header: bytes) -> Language:
    weights: dict[Language | None, float] = {}
    for tag, weight in weighted(header[:256].decode("latin-1")):
        shape = _PRIMARY_SUBTAG.fullmatch(tag)
        language = _LANGUAGES.get(shape[1]) if shape else None
        if language or tag == "*":
            weights[language] = max(weights.get(language, 0.0), weight)
    other = weights.get(None, 0.0)
    return "en" if weights.get("en", other) > weights.get("zh", other) else "zh"


_OK_HEAD: dict[Language, bytes] = {
    "zh": to_json({"code": 20001, "message": ResponseCode.OK.chinese})[:-1] + b',"data":',
    "en": to_json({"code": 20001, "message": ResponseCode.OK.english})[:-1] + b',"data":',
}


def ok(
    request: Request, data: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None, status: int = 200
) -> Response:
    """The envelope of success; or, with RESPONSE_STYLE=laravel, what stands there instead."""
    if request.app.state["is_laravel_style"]:
        body = _laravel_success(_operation(request), data)
        if body is not None:
            return _Json(to_json(body), status)
    return _Json(_OK_HEAD[language(request)] + to_json(data) + b"}", status)


_LARAVEL_TOKEN = ("access_token", "token_type", "expires_in")
_LARAVEL_USER = ("id", "name", "email", "email_verified_at", "created_at", "updated_at")
_LARAVEL_REFUSALS = {
    "POST /api/auth/login": b'{"error":"Unauthorized"}',
    "PUT /api/auth/refresh": b'{"message":"Unauthenticated."}',
    "DELETE /api/auth/logout": b'{"message":"Unauthenticated."}',
    "GET /api/auth/me": b'{"message":"Unauthenticated."}',
}
"""The 401s of the quick start of jwt-auth (https://jwt-auth.readthedocs.io/en/develop/quick-start/)."""


def _operation(request: Request) -> str:
    return f"{request.scope['method']} {route_path(request.scope)}"


def _laravel_success(operation: str, data: Any) -> dict[str, Any] | None:
    """The body of the quick start of jwt-auth; None for routes that it has not."""
    match operation:
        case "POST /api/auth/login" | "PUT /api/auth/refresh":
            return {name: data[name] for name in _LARAVEL_TOKEN}
        case "GET /api/auth/me":
            return {name: data[name] for name in _LARAVEL_USER}
        case "DELETE /api/auth/logout":
            return {"message": "Successfully logged out"}
    return None


class _Json(Response):
    """JSON that is bytes already: Starlette's own would look for what there is to encode."""

    def __init__(self, body: bytes, status: int) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


# a client whose refresh or logout is refused has lost its session; whose access token is refused, will refresh
_TOKEN_PATHS = ("/api/auth/refresh", "/api/auth/logout")


def install(app: FastAPI) -> None:
    """Make every exception an envelope."""
    for kind in (AuthError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    if isinstance(error, AuthError):
        if error.status >= 500 and not isinstance(error, DatabaseMisconfigured):  # which the log has had once
            logger.error("answered %d: %s", error.status, in_words(error))
        if isinstance(error, Unauthenticated):
            is_routine = route_path(request.scope) not in _TOKEN_PATHS
            audit.record("access_refused", reason=error.reason, is_routine=is_routine)
        if error.status == 401 and request.app.state["is_laravel_style"]:
            body = _LARAVEL_REFUSALS.get(_operation(request))
            if body is not None:
                return Response(body, error.status, _refusal_headers(error), "application/json")
        return refusal(request, error)
    if isinstance(error, RequestValidationError):
        return refusal(request, InvalidParameters(field_errors(error.errors())))
    if isinstance(error, HTTPException):
        return _http_refusal(request, error)
    # SECURITY: where it broke, not with what; messages of foreign exceptions hold values
    why = failure_of(error) if isinstance(error, PostgresError) else in_words(error)
    logger.critical("a bug: %s", why, extra={"fields": {"places": places(error.__traceback__)}})
    return refusal(request, Failed())


def refusal(request: Request, error: AuthError) -> Response:
    """The envelope of an error."""
    content = _content(
        request,
        error.code,
        data=refusal_data(error),
        errors=error.errors if isinstance(error, InvalidParameters) else (),
        is_by_guard=isinstance(error, Unauthenticated),
    )
    return Response(content, error.status, _refusal_headers(error), "application/json")


def _refusal_headers(error: AuthError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.status == 401:
        # RFC 6750 section 3.1: no error code where no token was sent
        sent = isinstance(error, Unauthenticated) and not isinstance(error, TokenMissing)
        headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token"' if sent else REALM
        if isinstance(error, TokenExpired):
            # a gateway that passes on no body tells its clients by this that a refresh helps
            headers["WWW-Authenticate"] += ', error_description="The token has expired"'
    if isinstance(error, InsufficientScope):
        headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, NotFresh):
        # RFC 9470 section 3, but with 403: a 401 means to the clients of this API that they are logged out
        headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_user_authentication"'
        if error.amr:  # for which it has no parameter of its own, since `acr_values` name levels, which are not ours
            headers["WWW-Authenticate"] += f', error_description="Asks for a proof by {" ".join(error.amr)}"'
        if error.max_age is not None:
            headers["WWW-Authenticate"] += f', max_age="{error.max_age}"'
    if isinstance(error, UnsupportedMediaType):
        headers["Accept"] = error.accepted  # RFC 9110 section 15.5.16
    if isinstance(error, UnsupportedContentCoding):
        headers["Accept-Encoding"] = "identity"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers


_CODE_BY_STATUS = {
    error.status: error.code
    for error in (Unauthenticated, InsufficientScope, NotFound, MethodNotAllowed, Conflict, TooManyAttempts)
}


def _http_refusal(request: Request, error: HTTPException) -> Response:
    """The envelope of an exception that names its status itself, as FastAPI and Starlette do and any route may.

    SECURITY: its `detail` is not told; it may hold what was sent.
    """
    status = error.status_code
    headers = dict(error.headers or {})
    if status < 400:
        return Response(None, status, headers)
    if status >= 500:
        logger.error("answered %d: %s", status, in_words(error.__cause__ or error))
    code = _CODE_BY_STATUS.get(status, ResponseCode.INVALID_PARAMETERS if status < 500 else ResponseCode.FAILED)
    response = Response(_content(request, code, is_by_guard=status == 401), status, headers, "application/json")
    if status == 401:
        response.headers.setdefault("WWW-Authenticate", REALM)
    if status == 405:
        # RFC 9110 section 10.2.1: all methods of the path; Starlette tells those of one route
        response.headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return response


def _content(
    request: Request,
    code: ResponseCode,
    *,
    data: Mapping[str, object] | None = None,
    errors: Sequence[FieldError] = (),
    is_by_guard: bool = False,
) -> bytes:
    preferred = language(request)
    message = "Unauthenticated." if is_by_guard else code.message(preferred)
    content: dict[str, Any] = {"code": code.number, "message": message, "data": data}
    if code is ResponseCode.INVALID_PARAMETERS:
        content["errors"] = [_error_field(error, preferred) for error in errors]
    return to_json(content)


def _allowed_methods(request: Request) -> set[str]:
    """Every method that some route has for this path."""
    methods: set[str] = set()
    path = route_path(request.scope)
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(path):
            methods |= route.methods
    return methods | {"HEAD"} if "GET" in methods else methods


def _error_field(error: FieldError, language: Language) -> dict[str, str]:
    return {"field": error.field, "message": field_problem(error.problem, language, limit=error.limit)}


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
