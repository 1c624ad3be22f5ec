"""Whether the process lives, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.dependencies import services
from wutang_auth.database import is_enough
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable
from wutang_auth.factory import Services

router = APIRouter(tags=["health"])


class HealthBody(BaseModel):
    """All is well."""

    status: Literal["ok"]
    note: str | SkipJsonSchema[None] = Field(
        None,
        description="for people: who is not served although the rest is",
        examples=["second factors cannot be checked: their keys are not in the key ring"],
    )


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
    one, its role may do what requests do, and the process is not about to stop. No envelope. A `note` tells of keys
    that are missing: without them users with a second factor cannot log in, all others can.
    """
    schema = services(request).schema
    try:
        if not is_enough(await schema.revision()):
            return _readiness("schema behind: run `wutang-auth migrate`")
        await schema.check_role()
        note = await _note(services(request))
    except DatabaseMisconfigured as error:
        return _readiness(error.public)
    except DatabaseUnavailable:
        return _readiness("database unavailable")
    if request.app.state.is_draining:
        return _readiness("stopping")
    return _readiness(note=note)


async def _note(found: Services) -> str | None:
    """Who is not served although the rest is, if there is anybody."""
    if found.factors is None or not await found.factors.keys.missing():
        return None
    return "second factors cannot be checked: their keys are not in the key ring"


def _readiness(reason: str | None = None, note: str | None = None) -> Response:
    content = {"status": "ok"} if reason is None else {"status": "unavailable", "reason": reason}
    if note is not None:
        content["note"] = note
    headers = {"Cache-Control": "no-store"}
    return Response(to_json(content), 200 if reason is None else 503, headers, "application/json")
