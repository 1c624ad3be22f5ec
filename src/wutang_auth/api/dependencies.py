"""All wiring: what a route may ask for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends, Path
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from pydantic import WithJsonSchema
from starlette.requests import Request

from wutang_auth.context import request_context
from wutang_auth.errors import (
    FactorsAreOff,
    InsufficientScope,
    MailIsOff,
    NotFound,
    TokenInvalid,
    TokenMissing,
)
from wutang_auth.factory import Services
from wutang_auth.fields import parse_session_id, parse_user_id
from wutang_auth.service import AuthService, Caller, LoginService, UserService
from wutang_auth.service.freshness import FreshnessService
from wutang_auth.service.introspection import IntrospectionService
from wutang_auth.service.revocations import RevocationService
from wutang_auth.service.verify import VerifyService

if TYPE_CHECKING:
    from wutang_auth.service.by_mail import MailServices  # not imported where mail is off
    from wutang_auth.service.factors import FactorServices  # nor this, where second factors are


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
        sent: bytes | None = None
        for name, value in request.scope["headers"]:
            if name == b"authorization":
                if sent is not None:
                    raise TokenInvalid("malformed")
                sent = value
        if sent is None:
            raise TokenMissing
        scheme, _, token = sent.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenMissing
        stripped: str = token.strip(" ")
        return stripped


Token = Annotated[str, Depends(BearerToken())]


def services(request: Request) -> Services:
    """The services of the running application."""
    found: Services = request.app.state["services"]  # State finds an attribute six times as slowly
    return found


async def login_service(request: Request) -> LoginService:
    """The service of what is done by password."""
    return services(request).login


LoginServiceDep = Annotated[LoginService, Depends(login_service)]


async def auth_service(request: Request) -> AuthService:
    """The service of what is done by the tokens of sessions."""
    return services(request).auth


AuthServiceDep = Annotated[AuthService, Depends(auth_service)]


async def user_service(request: Request) -> UserService:
    """The service of accounts."""
    return services(request).users


UserServiceDep = Annotated[UserService, Depends(user_service)]


async def verify_service(request: Request) -> VerifyService:
    """The service of verification for gateways."""
    return services(request).verify


VerifyServiceDep = Annotated[VerifyService, Depends(verify_service)]


async def revocation_service(request: Request) -> RevocationService:
    """The service of revocations."""
    return services(request).revocations


RevocationServiceDep = Annotated[RevocationService, Depends(revocation_service)]


async def introspection_service(request: Request) -> IntrospectionService:
    """The service of introspection."""
    return services(request).introspection


IntrospectionServiceDep = Annotated[IntrospectionService, Depends(introspection_service)]


async def mail_services(request: Request) -> "MailServices":
    """The services of what is done by mail; routes that ask for them are there only with them."""
    found = services(request).mail
    if found is None:
        raise MailIsOff
    return found


MailServicesDep = Annotated["MailServices", Depends(mail_services)]


async def factor_services(request: Request) -> "FactorServices":
    """The services of second factors; routes that ask for them are there only with them."""
    found = services(request).factors
    if found is None:
        raise FactorsAreOff
    return found


FactorServicesDep = Annotated["FactorServices", Depends(factor_services)]


async def freshness_service(request: Request) -> FreshnessService:
    """The service of freshness; routes that ask for it are there only with mail or with second factors."""
    found = services(request).freshness
    if found is None:
        raise MailIsOff
    return found


FreshnessServiceDep = Annotated[FreshnessService, Depends(freshness_service)]


async def authenticate(token: Token, service: AuthServiceDep) -> Caller:
    """Whoever holds a live access token."""
    return await service.authenticate(token)


CurrentCaller = Annotated[Caller, Depends(authenticate)]


async def authenticate_to_enrol(token: Token, service: AuthServiceDep) -> Caller:
    """Whoever holds a live access token, also one who must have a second factor and has yet to add it."""
    return await service.authenticate(token, may_lack_factor=True)


EnrollingCaller = Annotated[Caller, Depends(authenticate_to_enrol)]


async def recognize(token: Token, service: AuthServiceDep) -> Caller:
    """Whoever holds a live access token, or a legacy token, which is good for no other route that asks for a caller."""
    return await service.recognize(token)


RecognizedCaller = Annotated[Caller, Depends(recognize)]


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
