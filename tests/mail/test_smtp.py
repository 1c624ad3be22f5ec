"""Handing mails to a mail server, a real one and one that lies."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from support.smtp import MailServer, certificate, lying_server, serving_mail
from wutang_auth.mail.delivery import DeliveryError, RefusedForEver, RefusedForNow, ServerAway
from wutang_auth.mail.messages import Messages
from wutang_auth.mail.smtp import SmtpTransport
from wutang_auth.mail.texts import Texts
from wutang_auth.settings import SmtpServer

SECRET = "p@ss w:rd/1"


def mail(to: str = "ada@wutang.example") -> EmailMessage:
    messages = Messages(Texts(), sender=("Shop", "no-reply@shop.example"), public_url="https://id.shop.example")
    link = ("reset", "T" * 43, timedelta(hours=1))
    return messages.compose("reset", "zh", to=to, mail_id=uuid4(), link=link)  # type: ignore[arg-type]  # a purpose


def transport(port: int, *, timeout: float = 5, **options: object) -> SmtpTransport:
    server = SmtpServer("127.0.0.1", port, **{"tls": "none", **options})  # type: ignore[arg-type]  # any of its fields
    return SmtpTransport(server, own_name="id.shop.example", timeout=timeout)


async def send(port: int, message: EmailMessage | None = None, **options: object) -> None:
    there = transport(port, **options)  # type: ignore[arg-type]  # as above
    try:
        await there.send(message or mail())
    finally:
        await there.close()


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with serving_mail(MailServer()) as server:
        await send(server.port)
    [message] = server.messages
    assert server.envelopes == [("no-reply@shop.example", "ada@wutang.example")]
    assert message["From"] == "Shop <no-reply@shop.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@shop.example>")
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        assert f"https://id.shop.example/account#reset={'T' * 43}" in part.get_content()
        assert "设置新密码" in part.get_content()


async def test_one_connection_serves_several_mails() -> None:
    async with serving_mail(MailServer()) as server:
        there = transport(server.port)
        for number in range(3):
            await there.send(mail(f"user{number}@wutang.example"))
        await there.close()
    assert len({id(session) for session in server.sessions}) == 1


async def test_with_starttls_and_a_password(tmp_path: Path) -> None:
    at_server, at_client = certificate(tmp_path, "localhost")
    server = MailServer(username="shop", password=SECRET)
    async with serving_mail(server, tls=at_server):
        to = SmtpServer("localhost", server.port, "starttls", "shop", SECRET)
        there = SmtpTransport(to, own_name="id.shop.example", tls_context=at_client)
        await there.send(mail())
        await there.close()
    [session] = server.sessions
    assert session.ssl is not None
    assert session.authenticated


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    at_server, at_client = certificate(tmp_path, "localhost")
    server = MailServer(username="shop", password="another")
    async with serving_mail(server, tls=at_server):
        to = SmtpServer("localhost", server.port, "starttls", "shop", SECRET)
        with pytest.raises(ServerAway, match=r"^the mail server answers 535 5\.7\.8$"):
            await SmtpTransport(to, own_name="id.shop.example", tls_context=at_client).send(mail())
    assert SECRET not in repr(to)


async def test_without_starttls_nothing_is_said_in_clear() -> None:
    async with serving_mail(MailServer()) as server:
        with pytest.raises(ServerAway, match="STARTTLS"):
            await send(server.port, tls="starttls")
    assert server.messages == []


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    at_server, at_client = certificate(tmp_path, "mail.elsewhere.example")
    server = MailServer(username="shop", password=SECRET)
    async with serving_mail(server, tls=at_server):
        to = SmtpServer("localhost", server.port, "starttls", "shop", SECRET)
        with pytest.raises(ServerAway, match="certificate"):
            await SmtpTransport(to, own_name="id.shop.example", tls_context=at_client).send(mail())
    assert server.messages == []


@pytest.mark.parametrize(
    ("at", "answer", "refusal"),
    [
        ("recipient", "421 4.3.2 closing", ServerAway),
        ("recipient", "450 4.2.0 greylisted", RefusedForNow),
        ("recipient", "451 4.3.0 later", RefusedForNow),
        ("recipient", "550 5.1.1 <ada@wutang.example> unknown", RefusedForEver),
        ("recipient", "554 5.7.1 no", RefusedForEver),
        ("data", "421 4.3.2 closing", ServerAway),
        ("data", "451 4.3.0 later", RefusedForNow),
        ("data", "550 5.7.1 <ada@wutang.example> looks like spam", RefusedForNow),
        ("data", "552 5.2.2 full", RefusedForNow),
    ],
)
async def test_each_refusal_is_taken_as_it_is_meant(at: str, answer: str, refusal: type[DeliveryError]) -> None:
    async def refuse(_recipient: str) -> str:
        return answer

    server = MailServer(at_recipient=refuse) if at == "recipient" else MailServer(at_data=refuse)
    async with serving_mail(server):
        with pytest.raises(DeliveryError, match=rf"^the mail server answers {answer[:9]}$") as caught:
            await send(server.port)
    assert type(caught.value) is refusal
    assert "ada" not in str(caught.value)


async def test_a_server_that_thinks_for_too_long_is_left() -> None:
    async def think(_recipient: str) -> str:
        await asyncio.sleep(30)
        return "250 OK"

    async with serving_mail(MailServer(at_data=think)) as server:
        with pytest.raises(RefusedForNow, match="in time"):
            await send(server.port, timeout=0.3)


async def test_a_connection_that_breaks_after_the_mail_leaves_it_open_whether_it_was_taken() -> None:
    class CuttingServer(MailServer):
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            answer = await super().handle_DATA(server, session, envelope)
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return answer

    async with serving_mail(CuttingServer()) as server:
        with pytest.raises(RefusedForNow, match="closed the connection"):
            await send(server.port)
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [b"\r\n"],
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"999 what\r\n"],
        [b"220 hello\r\n", b"\xff\xfe\x00\r\n"],
        [b"220 hello\r\n", b"250-\r\n250 STARTTLS\r\n", b"220 go ahead\r\n", b"no TLS at all\r\n"],
        [b"220 hello\r\n", b"250 AUTH PLAIN\r\n", b"235 welcome\r\n", b"221 bye\r\n"],
        [b"220 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok, no need of the mail\r\n"],
        [b"220 " + b"x" * 200_000 + b"\r\n"],
        [b"220 hello\r\n", b"250 ok\r\n", b"354 from the start\r\n"],
    ],
)  # fmt: skip
async def test_no_lie_is_more_than_a_mail_that_was_not_taken(lines: list[bytes]) -> None:
    async with lying_server(*lines) as port:
        for tls in ("none", "starttls"):
            with pytest.raises(DeliveryError) as caught:
                await send(port, timeout=0.5, tls=tls)
            assert not isinstance(caught.value, RefusedForEver)


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ServerAway, match=r"^the mail server cannot be reached$"):
        await send(1)


async def test_domains_are_sent_as_dns_has_them() -> None:
    async with serving_mail(MailServer()) as server:
        await send(server.port, mail("info@münchen.example"))
    assert server.envelopes == [("no-reply@shop.example", "info@xn--mnchen-3ya.example")]


async def test_names_beyond_ascii_need_a_server_that_takes_them() -> None:
    async with serving_mail(MailServer()) as server:
        await send(server.port, mail("用户@wutang.example"))
    assert server.envelopes == [("no-reply@shop.example", "用户@wutang.example")]
    async with lying_server(b"220 hello\r\n", b"250 mail.shop.example\r\n") as port:
        with pytest.raises(RefusedForEver, match="beyond ASCII"):
            await send(port, mail("用户@wutang.example"))
