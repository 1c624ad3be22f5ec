"""To a mail server by SMTP (RFC 5321)."""

import asyncio
import re
import ssl
from contextlib import suppress
from email.message import EmailMessage

import aiosmtplib

from wutang_auth.errors import in_words
from wutang_auth.mail.delivery import RefusedForEver, RefusedForNow, ServerAway
from wutang_auth.settings import SmtpServer

_TIMEOUT = 10.0  # seconds, for each step
_OPEN_TIMEOUT = 20.0  # seconds, for the connection
_TOTAL_TIMEOUT = 35.0  # seconds, for one mail, another connection included; both together are less than its row's lease
_QUIT_TIMEOUT = 1.0  # seconds; nothing depends on the answer
_CLOSING = 421  # RFC 5321 section 3.8: the server is about to close, whatever was asked
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463


class SmtpTransport:
    """A mail server, and one connection to it that is kept for the next mail."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        own_name: str,
        timeout: float = _TIMEOUT,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        """`own_name` is told to the server (EHLO); a `tls_context` stands in for the system's certificates."""
        self._server = server
        self._own_name = own_name
        self._timeout = timeout
        self._tls_context = tls_context
        self._client: aiosmtplib.SMTP | None = None

    async def open(self) -> None:
        """Have a connection for the next mail.

        Raises:
            ServerAway: it cannot be made as it must be.
        """
        await self._connected()

    async def send(self, message: EmailMessage) -> None:
        """Hand over a mail; when this returns, the server has it.

        Raises:
            ServerAway: it cannot be used now, for any mail.
            RefusedForNow: it did not take this mail now, or the connection broke before it said so.
            RefusedForEver: it refuses the recipient.
        """
        try:
            async with asyncio.timeout(_TOTAL_TIMEOUT):
                client = await self._connected()
                await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._drop()
            [refusal] = error.recipients
            if refusal.code >= 500:
                raise RefusedForEver(_words(refusal)) from None
            raise _for_now(refusal) from None
        except aiosmtplib.SMTPNotSupported:
            self._drop()
            raise RefusedForEver("the mail server takes no address beyond ASCII (RFC 6531)") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._drop()
            raise _for_now(error) from None
        except BaseException:
            self._drop()
            raise

    async def close(self) -> None:
        """Say goodbye; the next mail connects again."""
        if self._client is not None and self._client.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError, ValueError):
                await self._client.quit(timeout=_QUIT_TIMEOUT)
        self._drop()

    async def _connected(self) -> aiosmtplib.SMTP:
        """The connection, made if there is none.

        Raises:
            ServerAway: it cannot be made as it must be.
        """
        if self._client is not None and self._client.is_connected:
            return self._client
        server = self._server
        self._client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=self._own_name,
            timeout=self._timeout,
            use_tls=server.tls == "from the start",
            # SECURITY: True, not None, which goes on in clear where somebody took STARTTLS out of the server's answer
            start_tls=server.tls == "starttls",
            tls_context=self._tls_context,
        )
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                await self._client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._drop()
            raise ServerAway(_words(error)) from None
        return self._client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _for_now(error: Exception) -> ServerAway | RefusedForNow:
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code == _CLOSING:
        return ServerAway(_words(error))
    return RefusedForNow(_words(error))


# the first that fits
_WORDS: dict[type[Exception], str] = {
    ssl.SSLError: "the mail server's TLS is not as it must be: a certificate that is valid for the name in its URL",
    aiosmtplib.SMTPServerDisconnected: "the mail server closed the connection",
    TimeoutError: "the mail server does not answer in time",
    aiosmtplib.SMTPConnectError: "the mail server cannot be reached",
    aiosmtplib.SMTPException: "the mail server cannot do what is needed: STARTTLS, or a way to log in that both know",
    ValueError: "the mail server answers what nobody understands",
}


def _words(error: Exception) -> str:
    """What happened; of the server's answer the numbers only, since its text may repeat the address."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        numbers = [str(error.code), *_ENHANCED.findall(str(error.message))[:1]]
        return f"the mail server answers {' '.join(numbers)}"
    reason = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    return next((words for kind, words in _WORDS.items() if isinstance(reason, kind)), None) or in_words(error)
