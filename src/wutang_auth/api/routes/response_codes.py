"""The catalogue of response codes."""

from fastapi import APIRouter
from pydantic import ConfigDict, RootModel
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.envelope import Envelope, language, ok
from wutang_auth.response_codes import ResponseCode, catalogue

router = APIRouter(prefix="/api", tags=["general"], route_class=DirectRoute)


class CatalogueBody(RootModel[dict[str, str]]):
    """Every response code with its message."""

    model_config = ConfigDict(json_schema_extra={"examples": [dict(catalogue("zh"))]})


class CatalogueEnvelope(Envelope[CatalogueBody]):
    """Success with the catalogue."""


# the reference's own
_EXAMPLES = ("ex", "quis", "qui", "aut", "est", "quam", "velit", "quia")

# any string may be sent and none has an effect, so nothing is parsed
_PARAMETERS = [
    {
        "name": str(code.number),
        "in": "query",
        "required": False,
        "description": f"{code.chinese} ({code.english}); no effect",
        "schema": {"type": "string"},
        "example": example,
    }
    for code, example in zip(ResponseCode, _EXAMPLES, strict=True)
]


@router.get(
    "/response_code",
    operation_id="response_code",
    response_model=CatalogueEnvelope,
    openapi_extra={"parameters": _PARAMETERS},
)
async def response_code(request: Request) -> Response:
    """Explain the response codes.

    本方法仅作返回code通用说明(无其他作用)

    The catalogue, code → message, in the language that the client prefers. The query parameters have no effect.
    """
    response = ok(request, catalogue(language(request)))
    response.headers["Vary"] = "Accept-Language"
    return response
