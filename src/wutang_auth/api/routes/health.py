"""Whether the process lives, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import services
from wutang_auth.database import is_enough
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable

router = APIRouter(tags=["health"])


class HealthBody(BaseModel):
    """All is well."""

    status: Literal["ok"]


class UnavailableBody(BaseModel):
    """Not ready to serve."""

    status: Literal["unavailable"]
    reason: str = Field(description="for people", examples=["database unavailable"])


@router.get("/healthz", operation_id="healthz", response_model=HealthBody, response_description="It lives.")
async def healthz() -> Response:
    """Whether the process lives.

    For whoever would restart it if it did not. No envelope.
    """
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get(
    "/readyz",
    operation_id="readyz",
    response_model=HealthBody,
    response_description="It can.",
    responses={503: {"model": UnavailableBody, "description": "It cannot, for now."}},
)
async def readyz(request: Request) -> Response:
    """Whether it can serve.

    For load balancers: the database answers, its schema is the one that this version was made for or a newer
    one, its role may do what requests do, and the process is not about to stop. No envelope.
    """
    schema = services(request).schema
    try:
        if not is_enough(await schema.revision()):
            return _readiness("schema behind: run `wutang-auth migrate`")
        await schema.check_role()
    except DatabaseMisconfigured as error:
        return _readiness(error.public)
    except DatabaseUnavailable:
        return _readiness("database unavailable")
    if request.app.state.is_draining:
        return _readiness("stopping")
    return _readiness()


def _readiness(reason: str | None = None) -> Response:
    content = {"status": "ok"} if reason is None else {"status": "unavailable", "reason": reason}
    headers = {"Cache-Control": "no-store"}
    return Response(to_json(content), 200 if reason is None else 503, headers, "application/json")
