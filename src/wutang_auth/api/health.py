"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.errors import DatabaseUnavailable

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="healthz")
async def healthz() -> Response:
    """The process lives."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz", operation_id="readyz")
async def readyz(request: Request) -> Response:
    """It can serve: the database answers, its schema is at head, and it is not about to stop."""
    state = request.app.state
    try:
        revision = await state.schema.revision()
    except DatabaseUnavailable:
        return _readiness("database unavailable")
    if revision != state.schema_head:
        return _readiness("schema behind: run `wutang-auth migrate`")
    if state.is_draining:
        return _readiness("stopping")
    return _readiness()


def _readiness(reason: str | None = None) -> Response:
    content = {"status": "ok"} if reason is None else {"status": "unavailable", "reason": reason}
    headers = {"Cache-Control": "no-store"}
    return Response(to_json(content), 200 if reason is None else 503, headers, "application/json")
