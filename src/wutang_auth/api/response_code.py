"""The catalogue of response codes."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.envelope import Envelope, language, ok
from wutang_auth.response_codes import ResponseCode, catalogue

router = APIRouter(prefix="/api", tags=["general"])

# any string may be sent and none has an effect, so nothing is parsed
_PARAMETERS = [
    {
        "name": str(code.number),
        "in": "query",
        "required": False,
        "description": f"{code.chinese} ({code.english}); no effect",
        "schema": {"type": "string"},
    }
    for code in ResponseCode
]


@router.get(
    "/response_code",
    operation_id="response_code",
    response_model=Envelope[dict[str, str]],
    openapi_extra={"parameters": _PARAMETERS},
)
async def response_code(request: Request) -> Response:
    """Explain the response codes. 本方法仅作返回code通用说明(无其他作用)."""
    response = ok(request, catalogue(language(request)))
    response.headers["Vary"] = "Accept-Language"
    return response
