"""The page where owners look after their account, and which the links of mails open."""

import json
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.assets import MEDIA_TYPES, Asset
from wutang_auth.errors import NotFound
from wutang_auth.settings import Settings

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
    return Response(_page(request.app.state.settings), 200, headers, "text/html; charset=utf-8")


@router.get("/account/assets/{version}/{name}")
def account_asset(request: Request, version: str, name: str) -> Response:
    """A script or a style; modules import each other by name, so one version names all of them."""
    found = _assets().get(name)
    if found is None or version != _version():
        raise NotFound
    return found.answer(request)


def _page(settings: Settings) -> str:
    page = (_FOLDER / "account.html").read_text("utf-8")
    values = {
        "assets": f"account/assets/{_version()}",  # relative, so that it holds under a gateway's prefix
        "mail": json.dumps(settings.smtp_url is not None),
        "registration": json.dumps(settings.registration != "off"),
        "mfa": json.dumps(settings.mfa != "off"),
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], page)


@cache
def _assets() -> dict[str, Asset]:
    return {path.name: Asset.read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}


@cache
def _version() -> str:
    return sha256(b"".join(asset.content for asset in _assets().values())).hexdigest()[:16]
