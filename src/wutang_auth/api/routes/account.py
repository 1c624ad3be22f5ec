"""The page where owners look after their account, and which the links of mails open."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.assets import MEDIA_TYPES, Asset
from wutang_auth.errors import NotFound

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[2] / "pages" / "account"

# SECURITY: nothing of a string becomes code or markup (Trusted Types), nothing comes from or goes to another host
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


@router.get("/account")
def account(request: Request) -> Response:
    """The page; what it shows its scripts decide, from the fragment of its address, which no server sees."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return Response(_page(**_capabilities(request)), 200, headers, "text/html; charset=utf-8")


@router.get("/account/assets/{version}/{name}")
def account_asset(request: Request, version: str, name: str) -> Response:
    """A script or a style; modules import each other by name, so one version names all of them."""
    found = _assets().get(name)
    if found is None or version != _version():
        raise NotFound
    return found.answer(request)


def _capabilities(request: Request) -> dict[str, bool]:
    settings = request.app.state.settings
    return {
        "mail": getattr(settings, "smtp_url", None) is not None,
        "registration": getattr(settings, "registration", "off") != "off",
    }


def _page(*, mail: bool, registration: bool) -> str:
    page = (_FOLDER / "account.html").read_text("utf-8")
    # relative, so that it holds under a gateway's prefix
    values = {"assets": f"account/assets/{_version()}", "mail": mail, "registration": mail and registration}
    for name, value in values.items():
        page = page.replace(f"{{{name}}}", str(value).lower() if isinstance(value, bool) else value)
    return page


@cache
def _assets() -> dict[str, Asset]:
    return {path.name: Asset.read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}


@cache
def _version() -> str:
    return sha256(b"".join(asset.content for asset in _assets().values())).hexdigest()[:16]
