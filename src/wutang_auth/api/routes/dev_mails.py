"""The mails that `dev` has written into its data directory, to look at. No other command has this route."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_MOST: Final = 100

# SECURITY: a mail is shown in a frame that runs no script and has no origin; its links open in a tab of their own
_SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STYLE: Final = """
    body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
    article { margin: 1.5rem 0; border: 1px solid #bbb; border-radius: 6px; padding: 0 1rem 1rem }
    h2 { font-size: 1.1rem } iframe { width: 100%; height: 26rem; border: 1px solid #ddd } pre { white-space: pre-wrap }
"""


def install(app: FastAPI, folder: Path) -> None:
    """Give an application the page of this directory's mails."""
    app.state.dev_mails = folder
    app.include_router(router)


@router.get("/dev/mails")
def dev_mails(request: Request) -> Response:
    """The latest mails, the newest first."""
    folder: Path = request.app.state.dev_mails
    newest = sorted(folder.glob("*.eml"), reverse=True)[:_MOST]
    mails = "".join(_article(path) for path in newest) or "<p>No mail yet.</p>"
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mails</title><style>{_STYLE}</style></head>'
        f"<body><h1>Mails</h1><p>From {escape(str(folder))}, newest first. Reload for more.</p>{mails}</body></html>"
    )
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY}
    return Response(page, 200, headers, "text/html; charset=utf-8")


def _article(path: Path) -> str:
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)  # noqa: S101 -- the policy says so
    text, html = (_body(message, kind) for kind in ("plain", "html"))
    heads = "<br>".join(f"{name}: {escape(str(message[name]))}" for name in ("To", "From", "Date"))
    framed = escape(f'<base target="_blank">{html}')
    return (
        f"<article><h2>{escape(str(message['Subject']))}</h2><p>{heads}</p>"
        f'<iframe sandbox="{_SANDBOX}" srcdoc="{framed}" title="HTML"></iframe>'
        f"<details><summary>Plain text</summary><pre>{''.join(_linked(text))}</pre></details></article>"
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())


def _linked(text: str) -> Iterator[str]:
    """The text in HTML; a line that is a URL is a link."""
    for line in text.splitlines(keepends=True):
        url = line.strip()
        if url.startswith(("http://", "https://")) and " " not in url:
            yield f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(url)}</a>\n'
        else:
            yield escape(line)
