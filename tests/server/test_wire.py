"""What comes over a socket and is not quite HTTP: a real server, attacked byte by byte."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.database import temporary_database
from support.http import assert_refused, success
from support.services import Process, environment_of, serving
from support.tokens import bearer
from support.users import PASSWORD, add_user, log_in

pytestmark = pytest.mark.no_cover  # servers in processes of their own

HOST = b"Host: wutang.test\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
ME = b"GET /api/auth/me HTTP/1.1\r\n" + HOST
CODES = b"GET /api/response_code HTTP/1.1\r\n" + HOST
LOGIN = b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CREDENTIALS = json.dumps({"email": "ada@wutang.example", "password": PASSWORD}).encode()
CHUNKED = LOGIN + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Answer:
    """One response, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        return json.loads(self.body)["code"]


@pytest.fixture(scope="module")
async def server(keys_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """One server for all attacks: it has to survive them all."""
    log = tmp_path_factory.mktemp("wire") / "log"
    async with temporary_database() as url:
        await add_user(url)
        async with serving(environment_of(url, keys_file, log_level="debug", log_format="json"), log) as process:
            yield process


def address(server: Process) -> tuple[str, int]:
    url = httpx.URL(server.base_url)
    assert url.port is not None
    return url.host, url.port


@asynccontextmanager
async def connected(server: Process) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is closed in the end, whatever the server did to it."""
    reader, writer = await asyncio.open_connection(*address(server), limit=2**22)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(server: Process, data: bytes, *, answers: int = 1) -> tuple[list[Answer], bool]:
    """Send bytes; read that many answers, then see whether the connection was closed."""
    async with connected(server) as (reader, writer):
        writer.write(data)
        read = [await asyncio.wait_for(answer(reader), 10) for _ in range(answers)]
        try:
            rest = await asyncio.wait_for(reader.read(1), 0.05)
        except TimeoutError:
            return read, False
        except ConnectionResetError:
            return read, True
        assert rest == b""
        return read, True


async def answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(status.split()[1]), headers, body)


async def assert_serves(server: Process) -> None:
    [healthy], _ = await exchange(server, HEALTH)
    assert healthy.status == 200


MALFORMED: dict[str, bytes] = {
    "a method in lower case": b"get /api/auth/me HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"BREW /api/auth/me HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT wutang.test:443 HTTP/1.1\r\nHost: wutang.test:443\r\n\r\n",
    "no slash": b"GET api/response_code HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute URL without a host": b"GET http:///api/response_code HTTP/1.1\r\n" + HOST + b"\r\n",
    "no Host": b"GET /api/response_code HTTP/1.1\r\n\r\n",
    "two Hosts": CODES + HOST + b"\r\n",
    "a Host that is none": b"GET /api/response_code HTTP/1.1\r\nHost: a b/c@d\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\n\r\n",
    "HTTP of no version": b"GET / HTTP/x\r\n\r\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "every byte": bytes(range(256)) * 4,
    "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + HEALTH,
    "Latin-1 in the path": b"GET /api/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "UTF-8 in the path": "GET /api/密 HTTP/1.1\r\n".encode() + HOST + b"\r\n",
    "NUL in the path": b"GET /api/\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the path": b"GET /api/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "Latin-1 in the query": b"DELETE /api/auth/logout?everywhere=\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : wutang.test\r\n\r\n",
    "a header without a name": CODES + b": x\r\n\r\n",
    "a folded header": CODES + b"X-A: a\r\n b\r\n\r\n",
    "lines that end in LF": b"GET /api/auth/me HTTP/1.1\nHost: wutang.test\n\n",
    "NUL in a header": CODES + b"X-A: a\x00b\r\n\r\n",
    "CR in a header": CODES + b"X-A: a\rb\r\n\r\n",
    "both lengths": LOGIN + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "both lengths, the other way round": LOGIN + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    "two transfer codings": LOGIN + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "an unknown transfer coding": LOGIN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": LOGIN + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "two lengths": LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same length twice": LOGIN + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": LOGIN + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": LOGIN + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": LOGIN + b"Content-Length: -1\r\n\r\n{}",
    "a length in hexadecimal": LOGIN + b"Content-Length: 0x2\r\n\r\n{}",
    "a length beyond 64 bits": LOGIN + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "a chunk of no size": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk of negative size": CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunks with LF": CHUNKED + b"2\n{}\n0\n\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "a length in a trailer": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 99\r\n\r\n",
    "a head of 200 KB": CODES + b"X-A: " + b"a" * 200_000,
    "a path of 200 KB": b"GET /" + b"a" * 200_000,
    "headers without end": CODES + b"X-A: a\r\n" * 30_000,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_http_gets_an_envelope(server: Process, name: str) -> None:
    [refused], _ = await exchange(server, MALFORMED[name])
    assert (refused.status, refused.code) == (400, 10001)
    assert json.loads(refused.body) == {"code": 10001, "message": "参数有误", "data": None, "errors": []}
    assert refused.headers["content-type"] == "application/json"
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert len(refused.headers["x-request-id"]) == 16
    await assert_serves(server)


async def test_malformed_http_closes_the_connection(server: Process) -> None:
    for name in ("both lengths", "two lengths", "a chunk of no size", "every byte", "headers without end"):
        _, closed = await exchange(server, MALFORMED[name] + HEALTH)
        assert closed, name


UNUSUAL: dict[str, tuple[bytes, int, int]] = {
    "an absolute URL": (b"GET http://evil.example/api/response_code HTTP/1.1\r\n" + HOST + b"\r\n", 200, 20001),
    "a fragment": (b"GET /api/response_code#x HTTP/1.1\r\n" + HOST + b"\r\n", 200, 20001),
    "empty lines before": (b"\r\n\r\n" + CODES + b"\r\n", 200, 20001),
    "dots in the path": (b"GET /api/../api/response_code HTTP/1.1\r\n" + HOST + b"\r\n", 404, 40004),
    "the way to a file": (b"GET /docs/../../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404, 40004),
    "an encoded way to a file": (b"GET /docs/%2e%2e/%2e%2e/pyproject.toml HTTP/1.1\r\n" + HOST + b"\r\n", 404, 40004),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, 40004),
    "TRACE": (b"TRACE /api/auth/me HTTP/1.1\r\n" + HOST + b"Cookie: secret\r\n\r\n", 405, 40001),
    "an unknown expectation": (LOGIN + b"Expect: magic\r\nContent-Length: 2\r\n\r\n{}", 422, 10001),
    "chunks": (CHUNKED + b"%x\r\n" % len(CREDENTIALS) + CREDENTIALS + b"\r\n0\r\n\r\n", 200, 20001),
    "chunks with extensions": (CHUNKED + b"2;a=b;c\r\n{}\r\n0\r\n\r\n", 422, 10001),
    "chunks of one byte": (
        CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in CREDENTIALS) + b"0\r\n\r\n", 200, 20001,
    ),
    "chunks too large": (CHUNKED + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 10 + b"0\r\n\r\n", 413, 10001),
    "a length too large": (LOGIN + b"Content-Length: 1000000\r\n\r\n{}", 413, 10001),
    "an expectation too large": (LOGIN + b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n", 413, 10001),
    "a head of 20 KB": (CODES + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n", 431, 10001),
    "two Authorizations": (ME + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 401, 40001),
    "an upgrade to WebSocket": (
        ME + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        401, 40001,
    ),
    "an upgrade to HTTP/2": (
        ME + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", 401, 40001,
    ),
    "an upgrade to HTTP/2 with a body": (
        LOGIN + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(CREDENTIALS) + CREDENTIALS,
        200, 20001,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
async def test_unusual_http_is_served(server: Process, name: str) -> None:
    data, status, code = UNUSUAL[name]
    [served], closed = await exchange(server, data)
    assert (served.status, served.code, closed) == (status, code, False)
    assert b"secret" not in served.body
    assert "server" not in served.headers


@pytest.mark.parametrize("keep_alive", [b"", b"Connection: keep-alive\r\n"])
async def test_http_1_0_is_served_once(server: Process, keep_alive: bytes) -> None:
    [served], closed = await exchange(server, b"GET /api/response_code HTTP/1.0\r\n" + keep_alive + b"\r\n")
    assert (served.status, served.code, closed) == (200, 20001, True)


async def test_connection_closes_on_demand(server: Process) -> None:
    [served], closed = await exchange(server, CODES + b"Connection: close\r\n\r\n")
    assert (served.status, served.headers["connection"], closed) == (200, "close", True)


async def test_head_has_a_length_and_no_content(server: Process) -> None:
    async with connected(server) as (reader, writer):
        for path, status in ((b"/api/response_code", b"200"), (b"/api/nothing", b"404"), (b"/api/auth/login", b"405")):
            writer.write(b"HEAD " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status)
            assert b"content-length: 0" not in head
        writer.write(HEALTH)  # comes next only if no content came
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")


async def test_an_answer_is_sent_in_one_piece(server: Process) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_connection(address(server), timeout=10) as connection:
        connection.setblocking(False)
        for _ in range(100):
            await loop.sock_sendall(connection, CODES + b"\r\n")
            piece = await loop.sock_recv(connection, 2**16)
            head, _, body = piece.partition(b"\r\n\r\n")
            assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"


async def test_many_requests_at_once_are_answered_in_order(server: Process) -> None:
    answers, closed = await exchange(server, (HEALTH + CODES + b"\r\n" + ME + b"\r\n") * 200, answers=600)
    assert [one.status for one in answers] == [200, 200, 401] * 200
    assert not closed


async def test_a_body_that_was_not_asked_for_is_no_second_request(server: Process) -> None:
    smuggled = b"DELETE /api/auth/logout HTTP/1.1\r\n" + HOST + b"\r\n"
    first = ME + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled
    answers, closed = await exchange(server, first + HEALTH, answers=2)
    assert [one.status for one in answers] == [401, 200]
    assert not closed


async def test_request_after_an_ignored_upgrade_is_served(server: Process) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    answers, closed = await exchange(server, ME + upgrade + b"\r\n" + CODES + upgrade + b"\r\n" + HEALTH, answers=3)
    assert ([one.status for one in answers], closed) == ([401, 200, 200], False)


async def test_expected_body_is_asked_for(server: Process) -> None:
    async with connected(server) as (reader, writer):
        writer.write(LOGIN + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(CREDENTIALS))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(CREDENTIALS)
        assert (await answer(reader)).code == 20001


async def test_trailers_are_no_headers(server: Process) -> None:
    """A proxy that replaces X-Forwarded-For or removes Authorization looks at headers only."""
    async with httpx.AsyncClient(base_url=server.base_url) as client:
        login = await log_in(client)
    end = b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    authorization = b"Authorization: Bearer " + login.access_token.encode() + b"\r\n"
    [refused], _ = await exchange(server, ME + end + authorization + b"\r\n")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="wutang-auth"')
    [identified], _ = await exchange(server, CODES + b"X-Request-ID: head\r\n" + end + b"X-Request-ID: trailer\r\n\r\n")
    assert identified.headers["x-request-id"] == "head"
    [told], _ = await exchange(server, CODES + end + b"Accept-Language: en\r\n\r\n")
    assert b"Success" not in told.body


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (CHUNKED + b"0\r\n", b"X-A: " + b"b" * 1000 + b"\r\n"),
        (CHUNKED + b"0\r\nX-A: ", b"b" * 1000),
        (CHUNKED + b"1;x", b"=b" * 500),
        (CHUNKED, b"3e8\r\n" + b" " * 1000 + b"\r\n"),
        (LOGIN + b"Content-Length: 1000000000\r\n\r\n", b" " * 1000),
        (CODES, b"X-A: " + b"b" * 1000 + b"\r\n"),
        (CODES + b"X-A: ", b"b" * 1000),
        (b"GET /", b"b" * 1000),
        (b"", b"B" * 1000),
    ],
    ids=["trailers", "one trailer", "chunk extension", "chunks", "body", "headers", "one header", "path", "method"],
)
async def test_request_without_end_is_cut_off(server: Process, begin: bytes, more: bytes) -> None:
    """After few bytes, since each that is kept is memory."""
    before = memory(server)
    sent = 0
    async with connected(server) as (_, writer):
        writer.write(begin)
        while sent < 64_000_000 and not writer.transport.is_closing():
            writer.write(more * 16)
            sent += len(more) * 16
            with suppress(ConnectionError):
                await writer.drain()
    assert sent < 16_000_000  # what the kernel takes on both sides included
    assert memory(server) < before + 16_000_000
    await assert_serves(server)


def memory(server: Process) -> int:
    """Resident bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


async def test_slow_requests_are_given_up_and_quick_ones_served_meanwhile(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with serving(environment | {"WUTANG_RECEIVE_TIMEOUT": "1"}, tmp_path / "log") as server:
        begins = [
            b"", b"G", CODES[:-2], CODES + b"X-A: a", LOGIN + b"Content-Length: 100\r\n\r\n{", CHUNKED, HEALTH + b"GET",
        ]  # fmt: skip
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(connected(server)) for _ in range(20 * len(begins))]
            for begin, (_, writer) in zip(begins * 20, connections, strict=True):
                writer.write(begin)
            for _ in range(4):  # a byte now and then is no way out
                await asyncio.sleep(0.2)
                await assert_serves(server)
                for _, writer in connections:
                    writer.write(b"a")
            async with asyncio.timeout(5):
                for reader, _ in connections:
                    with suppress(ConnectionError):
                        await reader.read()
            await assert_serves(server)


async def test_clients_that_read_nothing_are_given_up(environment: dict[str, str], tmp_path: Path) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving(environment | {"WUTANG_RECEIVE_TIMEOUT": "1"}, tmp_path / "log") as server:
        async with connected(server) as (reader, writer):
            writer.write(ask)
            size = len((await answer(reader)).body)
        async with connected(server) as (reader, writer):
            number = 64_000_000 // size
            writer.write(ask * number)
            await asyncio.sleep(3.5)
            with suppress(ConnectionError):
                assert len(await reader.read(-1)) < size * number
        # whoever reads slowly, but reads, gets all of it
        async with connected(server) as (reader, writer):
            writer.write(ask * 40)
            for _ in range(40):
                assert len((await answer(reader)).body) == size
                await asyncio.sleep(0.06)


async def test_thousand_idle_connections_hurt_nobody(server: Process) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(1000):
            await stack.enter_async_context(connected(server))
        async with httpx.AsyncClient(base_url=server.base_url) as client:
            login = await log_in(client)
            success(await client.get("/api/auth/me", headers=login.headers))


async def test_clients_that_hang_up_leave_no_trace(server: Process) -> None:
    half = LOGIN + b"Content-Length: 100\r\n\r\n{"
    whole = LOGIN + b"Content-Length: %d\r\n\r\n" % len(CREDENTIALS) + CREDENTIALS
    for begin in (b"", b"GET", ME, ME + b"\r\n", half, whole):
        for _ in range(10):
            async with connected(server) as (_, writer):
                writer.write(begin)
                writer.transport.abort()
    await assert_serves(server)


async def test_nothing_of_all_this_was_a_bug_or_a_secret(server: Process) -> None:
    """Last in this file: what the server logged at the level `debug`, one JSON object a line."""
    async with httpx.AsyncClient(base_url=server.base_url) as client:
        login = await log_in(client)
        canary = "canary-in-a-real-log"
        for token in (canary, f"{login.access_token}{canary}"):
            assert_refused(await client.get(f"/api/auth/me?{canary}", headers=bearer(token)), 401, 40001)
        success(await client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    # clients that hung up while their password waited to be hashed are answered that, if they could hear it
    assert {line["message"] for line in lines if line["level"] in ("error", "critical")} <= {
        "answered 503: The queue is full",
        "answered 503: the client left the queue for password hashing, or waited too long in it",
    }
    assert {"login", "refresh"} <= {line["message"] for line in lines}
    for secret in (PASSWORD, canary, login.access_token, login.refresh_token, "Cookie", "WebSocket library"):
        assert secret not in text
