"""What the link of a mail is for."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import MailServicesDep
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import ok
from wutang_auth.api.schemas.by_mail import FoundLinkEnvelope, LinkBody, found_link_body
from wutang_auth.errors import MailIsOff, NotFound

router = APIRouter(prefix="/api/auth", tags=["mail"], route_class=DirectRoute)


@router.post(
    "/links",
    operation_id="look_up_link",
    response_model=FoundLinkEnvelope,
    response_description="What it is for.",
    responses=refusals(MailIsOff, NotFound),
)
async def look_up_link(
    request: Request, mail: MailServicesDep, body: Annotated[LinkBody, Depends(parsed_body(LinkBody))]
) -> Response:
    """Look at the link of a mail.

    查询邮件链接

    For the page that shows it before a button is pressed; uses up nothing. 404: it was used already, or has expired.
    """
    return ok(request, found_link_body(await mail.links.look_up_link(body.token)))
