"""The route by which a logged-in user proves once more who it is."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import EnrollingCaller, FreshnessServiceDep, watch_for_disconnect
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, ok
from wutang_auth.api.schemas.factors import ReauthenticateBody
from wutang_auth.errors import MailIsOff, TooManyAttempts, WrongCode, WrongCurrentPassword

router = APIRouter(prefix="/api/auth", tags=["auth"], route_class=DirectRoute)


@router.post(
    "/reauthenticate",
    operation_id="reauthenticate",
    response_model=EmptyEnvelope,
    response_description="The session is fresh.",
    responses=refusals(MailIsOff, WrongCode, WrongCurrentPassword, TooManyAttempts),
)
async def reauthenticate(
    request: Request,
    freshness: FreshnessServiceDep,
    caller: EnrollingCaller,
    body: Annotated[ReauthenticateBody, Depends(parsed_body(ReauthenticateBody))],
) -> Response:
    """Give the password once more, and a code of the app of who has one.

    再次验证密码

    What changes how somebody logs in asks for it where the login lies back: 403 with `data.reauthenticate`, whose
    `methods` tell what is needed. A wrong password counts as an attempt to log in.
    """
    async with watch_for_disconnect(request):
        await freshness.reauthenticate(caller, body.password, body.code)
    return ok(request)
