"""Mail servers as tests have them: aiosmtpd on a free port of the loopback address, and what it was told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[str], Awaitable[str]]


async def accept(_recipient: str) -> str:
    """Take what comes."""
    return "250 OK"


@dataclass
class MailServer:
    """A mail server: what it says, and what it has heard."""

    at_recipient: Answer = accept
    at_data: Answer = accept
    username: str | None = None
    password: str | None = None
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str]] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    @property
    def url(self) -> str:
        """For WUTANG_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to a recipient."""
        answer = await self.at_recipient(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail down, and answer."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        answer = await self.at_data(envelope.rcpt_tos[0])
        if answer.startswith("250"):
            self.messages.append(message)
            self.envelopes.append((str(envelope.mail_from), envelope.rcpt_tos[0]))
            self.sessions.append(session)
        return answer

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        """Look at a password."""
        given = (data.login.decode(), data.password.decode())
        return AuthResult(handled=False, success=given == (self.username, self.password))


@asynccontextmanager
async def serving_mail(server: MailServer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """The server, listening for as long as the block runs; again on the port that it had before."""

    def protocol() -> SMTP:
        return SMTP(
            server,
            hostname="mail.shop.example",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=server.username is not None,
            authenticator=server.authenticate if server.username is not None else None,
            loop=asyncio.get_running_loop(),
            enable_SMTPUTF8=True,
        )

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", server.port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def lying_server(*lines: bytes) -> AsyncIterator[int]:
    """A server that says these lines, whatever it hears, one after each command; the last one again and again."""

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in range(1000):
                writer.write(lines[min(number, len(lines) - 1)])
                await writer.drain()
                if not await reader.readline():
                    break
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(lie, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server with a certificate of this name has, and what a client has that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = folder / f"{name}.pem"
    chain.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=str(chain))
