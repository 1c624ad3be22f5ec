"""Routes of forgotten passwords."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import MailServicesDep, UserId, require_scope, watch_for_disconnect
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, language, ok
from wutang_auth.api.schemas.by_mail import EmailBody, ResetPasswordBody
from wutang_auth.errors import DeadLink, MailIsOff, TooManyAttempts
from wutang_auth.service import Caller

router = APIRouter(route_class=DirectRoute)


@router.post(
    "/api/auth/password/reset",
    tags=["mail"],
    operation_id="ask_for_reset",
    response_model=EmptyEnvelope,
    response_description="If somebody has this address, a mail will be sent.",
    responses=refusals(MailIsOff, TooManyAttempts),
)
async def ask_for_reset(
    request: Request, mail: MailServicesDep, body: Annotated[EmailBody, Depends(parsed_body(EmailBody))]
) -> Response:
    """Ask for a mail with a link to a new password.

    忘记密码

    The answer is the same whoever it is, and takes as long: no account is looked up for it.
    """
    await mail.resets.ask_for_reset(body.email, language(request))
    return ok(request)


@router.put(
    "/api/auth/password/reset",
    tags=["mail"],
    operation_id="reset_password",
    response_model=EmptyEnvelope,
    response_description="The password is set; all sessions have ended.",
    responses=refusals(MailIsOff, DeadLink),
)
async def reset_password(
    request: Request,
    mail: MailServicesDep,
    body: Annotated[ResetPasswordBody, Depends(parsed_body(ResetPasswordBody))],
) -> Response:
    """Choose a new password, by the link of a mail.

    重置密码

    An invitation is taken in the same way. The address is verified by it, all sessions of the user end, and nobody is
    logged in: `login` comes next.
    """
    async with watch_for_disconnect(request):
        await mail.resets.reset_password(body.token, body.password, language(request))
    return ok(request)


@router.post(
    "/api/users/{id}/reset",
    tags=["users"],
    operation_id="send_reset",
    response_model=EmptyEnvelope,
    response_description="A mail will be sent.",
    responses=refusals(MailIsOff),
)
async def send_reset(
    request: Request,
    mail: MailServicesDep,
    caller: Annotated[Caller, Depends(require_scope("users:write"))],
    user_id: UserId,
) -> Response:
    """Mail a user the link to a new password.

    发送重置密码邮件

    Nobody but the user chooses it, and until then the old one works. A disabled user gets no mail.
    """
    await mail.administration.send_reset(caller, user_id)
    return ok(request)
