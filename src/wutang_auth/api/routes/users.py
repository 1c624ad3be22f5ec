"""Routes under /api/users."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import UserId, UserServiceDep, require_scope
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, ok
from wutang_auth.api.schemas.users import (
    CreateUserBody,
    UpdateUserBody,
    UserEnvelope,
    UserPageEnvelope,
    user_body,
    user_page_body,
)
from wutang_auth.api.schemas.values import Email
from wutang_auth.errors import EmailTaken, MailIsOff, NotFresh, ScopeNotHeld, SelfLockout
from wutang_auth.fields import MAX_USER_ID
from wutang_auth.service import Caller

router = APIRouter(prefix="/api/users", tags=["users"])

Reader = Annotated[Caller, Depends(require_scope("users:read"))]
Writer = Annotated[Caller, Depends(require_scope("users:write"))]


@router.get("", operation_id="list_users", response_model=UserPageEnvelope, response_description="A page.")
async def list_users(
    request: Request,
    service: UserServiceDep,
    _caller: Reader,
    after: Annotated[int, Query(ge=0, le=MAX_USER_ID, description="the `next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="users on a page, at most")] = 50,
    email: Annotated[
        Email | SkipJsonSchema[None], Query(description="only the user with this e-mail, in any spelling")
    ] = None,
) -> Response:
    """List users.

    用户列表

    In the order of their ids, so that users who are added meanwhile move nobody to another page.
    """
    page = await service.list_users(after=after, limit=limit, email=email)
    return ok(request, user_page_body(page))


@router.post(
    "",
    operation_id="create_user",
    status_code=201,
    response_model=UserEnvelope,
    response_description="The user is there.",
    responses=refusals(EmailTaken, ScopeNotHeld, MailIsOff),
)
async def create_user(
    request: Request,
    service: UserServiceDep,
    caller: Writer,
    body: Annotated[CreateUserBody, Depends(parsed_body(CreateUserBody))],
) -> Response:
    """Create a user.

    创建用户

    With `"invite": true` the user gets a mail with a link and chooses the password; 404 where mail is off.
    """
    user = await service.create_user(caller, body.new_user())
    return ok(request, user_body(user), 201)


@router.get(
    "/{id}",  # noqa: FAST003 -- UserId reads it
    operation_id="get_user",
    response_model=UserEnvelope,
    response_description="The user.",
)
async def get_user(request: Request, service: UserServiceDep, _caller: Reader, user_id: UserId) -> Response:
    """Get a user.

    查询用户
    """
    return ok(request, user_body(await service.get_user(user_id)))


@router.patch(
    "/{id}",
    operation_id="update_user",
    response_model=UserEnvelope,
    response_description="The user as changed.",
    responses=refusals(EmailTaken, ScopeNotHeld, SelfLockout, NotFresh),
)
async def update_user(
    request: Request,
    service: UserServiceDep,
    caller: Writer,
    user_id: UserId,
    body: Annotated[UpdateUserBody, Depends(parsed_body(UpdateUserBody))],
) -> Response:
    """Change a user.

    修改用户

    What is left out stays as it is. A new password and `"disabled": true` end the user's sessions at once; a scope that
    is taken away is missing from the next request on. The password and the e-mail of a user can be changed only by
    those who have all of its scopes. Where mail is on, one's own ask for a login or `reauthenticate` within the last
    `WUTANG_FRESH_SECONDS`.
    """
    user = await service.update_user(caller, user_id, body.change(), password=body.password)
    return ok(request, user_body(user))


@router.delete(
    "/{id}",  # noqa: FAST003 -- UserId reads it
    operation_id="delete_user",
    response_model=EmptyEnvelope,
    response_description="The user is gone, and so are its sessions.",
    responses=refusals(SelfLockout),
)
async def delete_user(request: Request, service: UserServiceDep, caller: Writer, user_id: UserId) -> Response:
    """Delete a user.

    删除用户
    """
    await service.delete_user(caller, user_id)
    return ok(request)
