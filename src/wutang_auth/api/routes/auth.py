"""Routes under /api/auth."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import (
    AuthServiceDep,
    CurrentCaller,
    LoginServiceDep,
    RecognizedCaller,
    SessionId,
    UserServiceDep,
    watch_for_disconnect,
)
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, language, ok
from wutang_auth.api.refresh_cookie import SentToken, TokenOrCookie, drop_cookie, is_foreign_page, pair_answer
from wutang_auth.api.schemas.auth import (
    ChangePasswordBody,
    LoginBody,
    MeEnvelope,
    SessionListEnvelope,
    TokenPairEnvelope,
    UpdateMeBody,
    me_body,
    session_body,
)
from wutang_auth.errors import (
    EmailNotVerified,
    InvalidCredentials,
    SecondFactorNeeded,
    TokenMissing,
    TooManyAttempts,
    WrongCurrentPassword,
)

SessionToken = Annotated[SentToken, Depends(TokenOrCookie())]

router = APIRouter(prefix="/api/auth", tags=["auth"], route_class=DirectRoute)


@router.post(
    "/login",
    operation_id="login",
    response_model=TokenPairEnvelope,
    response_description="A session has begun.",
    responses=refusals(InvalidCredentials, EmailNotVerified, SecondFactorNeeded, TooManyAttempts),
)
async def login(
    request: Request, service: LoginServiceDep, body: Annotated[LoginBody, Depends(parsed_body(LoginBody, form=True))]
) -> Response:
    """Get a JWT via given credentials.

    通过登录信息获取JWT凭证

    Begins a session and answers with its first two tokens. Whether it was the e-mail or the password that was wrong, or
    the user that is disabled, is not told. Who has a second factor sends its `code` along, or is answered 403 with what
    the second step needs: `POST /api/auth/login/second`. With `"refresh": "cookie"` the refresh token comes in the
    cookie `__Host-wutang-refresh`, which scripts cannot read, and is null in the body.
    """
    if body.refresh == "cookie" and is_foreign_page(request):
        # SECURITY: a form of another site could put a session of its own into this browser (login CSRF)
        raise TokenMissing
    async with watch_for_disconnect(request):
        pair = await service.login(body.email, body.password, language(request), code=body.code)
    return pair_answer(request, pair, as_cookie=body.refresh == "cookie")


@router.put(
    "/refresh",
    operation_id="refresh",
    response_model=TokenPairEnvelope,
    response_description="The next two tokens.",
)
async def refresh(request: Request, service: AuthServiceDep, token: SessionToken) -> Response:
    """Refresh a token.

    刷新token

    Takes the refresh token; or the access token, valid or expired, for clients that keep one token only (a setting
    forbids that). The same token once more is answered with another pair, in case an answer got lost, until ten seconds
    after the first use of the new tokens; later, it ends the session. Without an `Authorization` header the refresh
    token of the cookie is taken, from pages of this origin or a listed one, and the next one comes in the cookie.
    """
    pair = await service.refresh(token.text)
    return pair_answer(request, pair, as_cookie=token.by_cookie)


@router.delete(
    "/logout",
    operation_id="logout",
    response_model=EmptyEnvelope,
    response_description="The session has ended.",
)
async def logout(
    request: Request,
    service: AuthServiceDep,
    token: SessionToken,
    *,
    everywhere: Annotated[bool, Query(description="end all sessions of the user")] = False,
) -> Response:
    """Log the user out (Invalidate the token).

    注销用户

    Takes either token, an expired one of a live session too. From the answer on, every token of the session is refused,
    everywhere. Without an `Authorization` header the refresh token of the cookie is taken, and the cookie is dropped.
    """
    await service.logout(token.text, everywhere=everywhere)
    response = ok(request)
    if token.by_cookie:
        drop_cookie(response)
    return response


@router.get(
    "/me",
    operation_id="me",
    response_model=MeEnvelope,
    response_description="Whose token it is.",
)
async def me(request: Request, caller: RecognizedCaller) -> Response:
    """Get the authenticated User.

    获取通过身份验证的用户
    """
    return ok(request, me_body(caller.user, caller))


@router.patch(
    "/me",
    operation_id="update_me",
    response_model=MeEnvelope,
    response_description="The user as it is now.",
)
async def update_me(
    request: Request,
    service: UserServiceDep,
    caller: CurrentCaller,
    body: Annotated[UpdateMeBody, Depends(parsed_body(UpdateMeBody))],
) -> Response:
    """Change the caller's name.

    修改当前用户的名称

    Nothing else of it: e-mail and password have routes of their own.
    """
    return ok(request, me_body(await service.update_me(caller, name=body.name), caller))


@router.get(
    "/sessions",
    operation_id="list_sessions",
    response_model=SessionListEnvelope,
    response_description="The sessions, newest first.",
)
async def list_sessions(request: Request, service: AuthServiceDep, caller: CurrentCaller) -> Response:
    """List the caller's live sessions.

    当前用户的会话列表
    """
    sessions = await service.list_sessions(caller)
    return ok(request, [session_body(session, caller) for session in sessions])


@router.delete(
    "/sessions/{id}",  # noqa: FAST003 -- SessionId reads it
    operation_id="end_session",
    response_model=EmptyEnvelope,
    response_description="The session has ended.",
)
async def end_session(
    request: Request, service: AuthServiceDep, caller: CurrentCaller, session_id: SessionId
) -> Response:
    """End one of the caller's sessions.

    结束一个会话

    From the answer on, every token of that session is refused. The one that asks may end itself: then it is a logout.
    """
    await service.end_session(caller, session_id)
    return ok(request)


@router.put(
    "/password",
    operation_id="change_password",
    response_model=EmptyEnvelope,
    response_description="The password is changed; the other sessions have ended.",
    responses=refusals(WrongCurrentPassword, TooManyAttempts),
)
async def change_password(
    request: Request,
    service: LoginServiceDep,
    caller: CurrentCaller,
    body: Annotated[ChangePasswordBody, Depends(parsed_body(ChangePasswordBody))],
) -> Response:
    """Change the caller's password.

    修改密码

    The user's other sessions end, this one stays. A wrong current password counts as an attempt to log in.
    """
    await service.change_password(caller, body.current_password, body.new_password, language(request))
    return ok(request)
