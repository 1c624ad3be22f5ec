"""Into a directory, for `dev`: each mail a file, in the order in which they came."""

import os
import time
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path

from wutang_auth.errors import in_words
from wutang_auth.mail.delivery import ServerAway


class FolderTransport:
    """A directory instead of a mail server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def send(self, message: EmailMessage) -> None:
        """Write the mail down.

        Raises:
            ServerAway: the directory cannot be written to.
        """
        name = f"{time.time_ns():020}.eml"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._folder / f".{name}"
            # SECURITY: its links are as good as passwords
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message.as_bytes(policy=SMTPUTF8))
            new.rename(self._folder / name)
        except OSError as error:
            raise ServerAway(f"{self._folder} cannot be written to: {in_words(error)}") from None

    async def close(self) -> None:
        """Nothing is open."""
