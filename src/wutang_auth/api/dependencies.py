"""All wiring: what a route may ask for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Path
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, ValidationError, WithJsonSchema
from starlette.requests import ClientDisconnect, Request

from wutang_auth.api.envelope import field_errors
from wutang_auth.api.middleware.edge import MAX_BODY
from wutang_auth.context import request_context
from wutang_auth.errors import (
    FieldError,
    InsufficientScope,
    InvalidParameters,
    NotFound,
    PayloadTooLarge,
    TokenInvalid,
    TokenMissing,
    UnsupportedMediaType,
)
from wutang_auth.factory import Services
from wutang_auth.fields import parse_session_id, parse_user_id
from wutang_auth.service import AuthService, Caller, UserService
from wutang_auth.tokens import strict_json

Body = TypeVar("Body", bound=BaseModel)

_BODY_SECONDS = 10.0
_MAX_FORM_FIELDS = 16


class BearerToken(SecurityBase):
    """The token of the `Authorization` header (RFC 6750 section 2.1); nothing is known about it yet."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT", description="The access token of a login")
        self.scheme_name = "bearer"

    async def __call__(self, request: Request) -> str:
        """The token.

        Raises:
            TokenMissing: no header, or another scheme.
            TokenInvalid: no token behind the scheme, or more than one header.
        """
        sent = [value for name, value in request.scope["headers"] if name == b"authorization"]
        if not sent:
            raise TokenMissing
        if len(sent) > 1:
            raise TokenInvalid
        scheme, _, token = sent[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenMissing
        stripped: str = token.strip(" ")
        return stripped


Token = Annotated[str, Depends(BearerToken())]


def services(request: Request) -> Services:
    """The services of the running application."""
    found: Services = request.app.state.services
    return found


async def auth_service(request: Request) -> AuthService:
    """The service of authentication."""
    return services(request).auth


AuthServiceDep = Annotated[AuthService, Depends(auth_service)]


async def user_service(request: Request) -> UserService:
    """The service of accounts."""
    return services(request).users


UserServiceDep = Annotated[UserService, Depends(user_service)]


async def authenticate(token: Token, service: AuthServiceDep) -> Caller:
    """Whoever holds a live access token."""
    return await service.authenticate(token)


CurrentCaller = Annotated[Caller, Depends(authenticate)]


class RequiredScope:
    """Lets in whoever has this scope now; what the token says about scopes does not matter."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, caller: CurrentCaller) -> Caller:
        """The caller.

        Raises:
            InsufficientScope: the caller lacks the scope.
        """
        if self.scope not in caller.user.scopes:
            raise InsufficientScope(self.scope)
        return caller


def require_scope(scope: str) -> RequiredScope:
    """A dependency; an object, so that the OpenAPI document can tell the scope."""
    return RequiredScope(scope)


async def path_user_id(
    text: Annotated[
        str,
        Path(alias="id", description="the user's id"),
        WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1}),
    ],
) -> int:
    """The user id of the path.

    Raises:
        NotFound: nothing that could be one.
    """
    try:
        return parse_user_id(text)
    except ValueError:
        raise NotFound from None


UserId = Annotated[int, Depends(path_user_id)]


async def path_session_id(
    text: Annotated[
        str, Path(alias="id", description="the session's id"), WithJsonSchema({"type": "string", "format": "uuid"})
    ],
) -> UUID:
    """The session id of the path.

    Raises:
        NotFound: nothing that could be one.
    """
    try:
        return parse_session_id(text.lower())
    except ValueError:
        raise NotFound from None


SessionId = Annotated[UUID, Depends(path_session_id)]


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


@asynccontextmanager
async def watch_for_disconnect(request: Request) -> AsyncIterator[None]:
    """Let what runs inside know when the client goes away; the body must have been read."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set_result(None)

    listener = asyncio.create_task(listen())
    token = request_context.set(replace(request_context.get(), client_gone=gone))
    try:
        yield
    finally:
        request_context.reset(token)
        listener.cancel()


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
        async with asyncio.timeout(_BODY_SECONDS):
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
