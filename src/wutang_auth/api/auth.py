"""Routes under /api/auth."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import AuthServiceDep, CurrentCaller, Token, parsed_body
from wutang_auth.api.envelope import Envelope, ok
from wutang_auth.api.schemas import LoginBody, TokenPairBody, UserBody

router = APIRouter(prefix="/api/auth", tags=["auth"])


@router.post("/login", operation_id="login", response_model=Envelope[TokenPairBody])
async def login(
    request: Request, service: AuthServiceDep, body: Annotated[LoginBody, Depends(parsed_body(LoginBody, form=True))]
) -> Response:
    """Get a JWT via given credentials."""
    pair = await service.login(body.email, body.password)
    return ok(request, TokenPairBody.of(pair))


@router.put("/refresh", operation_id="refresh", response_model=Envelope[TokenPairBody])
async def refresh(request: Request, service: AuthServiceDep, token: Token) -> Response:
    """Refresh a token."""
    pair = await service.refresh(token)
    return ok(request, TokenPairBody.of(pair))


@router.delete("/logout", operation_id="logout", response_model=Envelope[None])
async def logout(
    request: Request,
    service: AuthServiceDep,
    token: Token,
    *,
    everywhere: Annotated[bool, Query(description="end all sessions of the user")] = False,
) -> Response:
    """Log the user out (invalidate the token)."""
    await service.logout(token, everywhere=everywhere)
    return ok(request)


@router.get("/me", operation_id="me", response_model=Envelope[UserBody])
async def me(request: Request, caller: CurrentCaller) -> Response:
    """Get the authenticated user."""
    return ok(request, UserBody.of(caller.user))
