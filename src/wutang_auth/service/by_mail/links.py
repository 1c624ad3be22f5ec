"""The tokens in links: how they are made, and what one is for."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

from wutang_auth.errors import DeadLink, NotFound
from wutang_auth.repository import MailToken, MailTokenRepository

UNDO_AFTER_CHANGE: Final = timedelta(hours=72)
"""How long after a change of address the old one can bring it back."""


def new_token() -> tuple[str, bytes]:
    """A token of 256 random bits, and its digest, which is all that is kept of it."""
    token = secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> bytes:
    """What is kept of a token: its SHA-256."""
    return sha256(token.encode()).digest()


class LinkService:
    """What a page shows before its button is pressed."""

    def __init__(self, tokens: MailTokenRepository) -> None:
        self._tokens = tokens

    async def look_up_link(self, token: str) -> MailToken:
        """What the link is for; it is used up by nothing here.

        Raises:
            NotFound: it was used already, or has expired, or never was one.
        """
        try:
            return await self._tokens.find(digest_of(token))
        except DeadLink:
            raise NotFound from None
