"""The documentation: its pages, what they load, and the files that programs read."""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.assets import MEDIA_TYPES, Asset
from wutang_auth.errors import NotFound

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[1] / "documentation" / "assets"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

# SECURITY: ReDoc makes two style elements: an empty one, which it fills through the object model, and that of its
# its scroll bars. Their hashes allow these two texts and no other; style attributes in the page stay forbidden.
_REDOC_STYLES: Final = (
    " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"  # the empty text
    " 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"  # perfect-scrollbar's, as in ReDoc 2.5.4
)


@router.get("/docs")
def docs() -> Response:
    """Swagger UI."""
    return _page("docs.html", styles="")


@router.get("/redoc")
def redoc() -> Response:
    """ReDoc."""
    return _page("redoc.html", styles=_REDOC_STYLES)


@router.get("/docs/assets/{name}")
def asset(request: Request, name: str) -> Response:
    """A script or a style, under the name that the pages have for it."""
    found = _assets().get(name)
    if found is None:
        raise NotFound
    return found.answer(request)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    content = to_json(request.app.openapi())
    return Response(content, 200, {"Cache-Control": "no-cache"}, "application/json")


@router.get("/docs/collection.json")
def postman_collection(request: Request) -> Response:
    """The Postman collection, for the service at the URL that it was asked for under."""
    from wutang_auth.api.documentation.collection import collection  # here, as the OpenAPI document

    # SECURITY: the host is the client's word; the answer is for this client only
    base_url = f"{request.url.scheme}://{request.url.netloc}{request.app.root_path}"
    return Response(
        to_json(collection(request.app.openapi(), base_url)), 200, {"Cache-Control": "no-store"}, "application/json"
    )


def _page(name: str, *, styles: str) -> Response:
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY.format(styles=styles)}
    return Response(_pages()[name], 200, headers, "text/html; charset=utf-8")


@cache
def _pages() -> dict[str, str]:
    """The pages, with the names of their assets put in; relative, so that they hold under a gateway's prefix."""
    urls = {path: f"docs/assets/{_hashed(path)}" for path in _asset_paths()}
    return {
        page.name: re.sub(r"\{([\w./-]+)\}", lambda match: urls[match[1]], page.read_text("utf-8"))
        for page in _FOLDER.glob("*.html")
    }


@cache
def _assets() -> dict[str, Asset]:
    return {_hashed(path): Asset.read(_FOLDER / path) for path in _asset_paths()}


def _asset_paths() -> list[str]:
    return [path.relative_to(_FOLDER).as_posix() for path in _FOLDER.rglob("*") if path.suffix in MEDIA_TYPES]


def _hashed(path: str) -> str:
    file = _FOLDER / path
    return f"{file.stem}.{sha256(file.read_bytes()).hexdigest()[:16]}{file.suffix}"
