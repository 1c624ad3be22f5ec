"""Routes of registration."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import MailServicesDep, watch_for_disconnect
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, language, ok
from wutang_auth.api.schemas.by_mail import EmailBody, RegisterBody
from wutang_auth.api.schemas.users import UserEnvelope, user_body
from wutang_auth.errors import DeadLink, EmailTaken, MailIsOff, TooManyAttempts

router = APIRouter(prefix="/api/auth", tags=["mail"], route_class=DirectRoute)


@router.post(
    "/register",
    operation_id="ask_to_register",
    response_model=EmptyEnvelope,
    response_description="If a mail can be sent there, it will be.",
    responses=refusals(MailIsOff, TooManyAttempts),
)
async def ask_to_register(
    request: Request, mail: MailServicesDep, body: Annotated[EmailBody, Depends(parsed_body(EmailBody))]
) -> Response:
    """Ask for a mail with a link to register.

    申请注册

    The answer is the same whoever it is; who has an account gets a mail that says so. 404 too where
    `WUTANG_REGISTRATION` is `off`.
    """
    await mail.registration.ask_to_register(body.email, language(request))
    return ok(request)


@router.put(
    "/register",
    operation_id="register",
    status_code=201,
    response_model=UserEnvelope,
    response_description="The user is there, and can log in.",
    responses=refusals(MailIsOff, DeadLink, EmailTaken),
)
async def register(
    request: Request, mail: MailServicesDep, body: Annotated[RegisterBody, Depends(parsed_body(RegisterBody))]
) -> Response:
    """Register, by the link of the mail.

    注册

    The address is verified by it. Nobody is logged in: `login` comes next.
    """
    async with watch_for_disconnect(request):
        user = await mail.registration.register(body.token, name=body.name, password=body.password)
    return ok(request, user_body(user), 201)
