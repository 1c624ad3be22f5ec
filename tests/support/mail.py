"""Mail as tests have it: written into a directory, as `dev` does it, and read from there."""

import asyncio
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from support.database import query
from support.services import Instance
from wutang_auth.settings import Settings

PUBLIC_URL = "https://id.shop.example/auth"


class Mailbox:
    """Where the mails of a test's services go; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: set[Path] = set()

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What a service with mail is started with, besides: `await start(**mailbox.settings())`."""
        return {
            "smtp_url": SecretStr(f"file://{self._folder}"),
            "mail_from": "Shop <no-reply@shop.example>",
            "public_url": PUBLIC_URL,
            "registration": "open",
            **changes,
        }

    async def next(self, service: Instance) -> EmailMessage | None:
        """The next mail, as soon as it is there; None when nothing waits to be sent any more."""
        while True:
            waiting = await waiting_mails(service.settings)
            unread = sorted(path for path in self._folder.glob("*.eml") if path not in self._read)
            if unread:
                self._read.add(unread[0])
                message = message_from_bytes(unread[0].read_bytes(), policy=default)
                assert isinstance(message, EmailMessage)
                return message
            if not waiting:
                return None
            await asyncio.sleep(0.02)

    async def all(self, service: Instance) -> list[EmailMessage]:
        """Every mail that is sent until nothing waits any more."""
        found = []
        while (message := await self.next(service)) is not None:
            found.append(message)
        return found

    async def token(self, service: Instance, purpose: str) -> str:
        """The token of the next mail's link, which must be for this."""
        message = await self.next(service)
        assert message is not None, "no mail came"
        return token_in(message, purpose)


def text_of(message: EmailMessage) -> str:
    """What the plain text of a mail says."""
    body = message.get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


def html_of(message: EmailMessage) -> str:
    """What the HTML of a mail says."""
    body = message.get_body(("html",))
    assert body is not None
    html: str = body.get_content()
    return html


def token_in(message: EmailMessage, purpose: str) -> str:
    """The token in a mail, whose link must be for this, in the text and in the HTML."""
    link = re.compile(rf"{re.escape(PUBLIC_URL)}/account#{purpose}=([\w-]{{43}})\b")
    [token] = set(link.findall(text_of(message)))
    assert set(link.findall(html_of(message))) == {token}
    return str(token)


async def waiting_mails(target: Settings | str) -> list[str]:
    """The kinds of the mails that wait, the oldest first."""
    return [row["kind"] for row in await query(target, "SELECT kind FROM mails ORDER BY created_at, kind")]
