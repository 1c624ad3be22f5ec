"""Routes of the user's address."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import CurrentCaller, MailServicesDep
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, language, ok
from wutang_auth.api.schemas.by_mail import EmailBody, LinkBody
from wutang_auth.errors import DeadLink, EmailTaken, MailIsOff, NotFresh, TooManyAttempts

router = APIRouter(prefix="/api/auth/email", tags=["mail"], route_class=DirectRoute)

Link = Annotated[LinkBody, Depends(parsed_body(LinkBody))]


@router.put(
    "",
    operation_id="ask_for_email_change",
    response_model=EmptyEnvelope,
    response_description="Two mails will be sent; nothing has changed yet.",
    responses=refusals(MailIsOff, NotFresh, TooManyAttempts),
)
async def ask_for_email_change(
    request: Request,
    mail: MailServicesDep,
    caller: CurrentCaller,
    body: Annotated[EmailBody, Depends(parsed_body(EmailBody))],
) -> Response:
    """Ask for another address.

    更换邮箱

    The new address gets a link that confirms it, the old one a link that undoes it, until 72 hours after the change.
    Asks for a login or `reauthenticate` within the last `WUTANG_FRESH_SECONDS`. That somebody else has the address is
    not told; its owner gets a mail.
    """
    await mail.emails.ask_for_email_change(caller, body.email, language(request))
    return ok(request)


@router.put(
    "/confirmation",
    operation_id="confirm_email",
    response_model=EmptyEnvelope,
    response_description="The address is changed; or, where both must confirm, the new one is asked next.",
    responses=refusals(MailIsOff, DeadLink, EmailTaken),
)
async def confirm_email(request: Request, mail: MailServicesDep, body: Link) -> Response:
    """Confirm another address, by the link of a mail.

    确认更换邮箱
    """
    await mail.emails.confirm_email(body.token, language(request))
    return ok(request)


@router.put(
    "/undo",
    operation_id="undo_email_change",
    response_model=EmptyEnvelope,
    response_description="The old address counts; all sessions have ended, and the password works no more.",
    responses=refusals(MailIsOff, DeadLink, EmailTaken),
)
async def undo_email_change(request: Request, mail: MailServicesDep, body: Link) -> Response:
    """Undo a change of the address, by the link that the old one got.

    撤销更换邮箱

    Whoever asked for the change is shut out: all sessions end, the password works no more, and the old address gets
    a link to choose another. It counts before the change is confirmed, too.
    """
    await mail.emails.undo_email_change(body.token, language(request))
    return ok(request)


@router.post(
    "/verification",
    operation_id="ask_for_verification",
    response_model=EmptyEnvelope,
    response_description="A mail will be sent, unless the address is verified.",
    responses=refusals(MailIsOff, TooManyAttempts),
)
async def ask_for_verification(request: Request, mail: MailServicesDep, caller: CurrentCaller) -> Response:
    """Ask for a mail with a link that verifies the address.

    申请验证邮箱
    """
    await mail.emails.ask_for_verification(caller, language(request))
    return ok(request)


@router.put(
    "/verification",
    operation_id="verify_email",
    response_model=EmptyEnvelope,
    response_description="The address is verified.",
    responses=refusals(MailIsOff, DeadLink),
)
async def verify_email(request: Request, mail: MailServicesDep, body: Link) -> Response:
    """Verify the address, by the link of a mail.

    验证邮箱

    Asks for no token of a session: who cannot log in without a verified address must be able to verify it.
    """
    await mail.emails.verify_email(body.token)
    return ok(request)
