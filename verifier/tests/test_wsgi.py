"""A WSGI application on a server with threads, as Flask's and Django's are."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import pytest

from support.publishing import AskedAgain, Publisher
from support.tokens import bearer
from wutang_auth_verifier import RevokedToken, VerificationError, Verifier

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def base_url(verifier: Verifier) -> Iterator[str]:
    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        try:
            identity = verifier.verify(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "))
        except RevokedToken:
            start_response("401 Unauthorized", [("X-Reason", "revoked")])
            return []
        except VerificationError:
            start_response("401 Unauthorized", [])
            return []
        start_response("200 OK", [])
        return [str(identity.user_id).encode()]

    server: Any = make_server("127.0.0.1", 0, app, Server, Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_all_threads_share_one_verifier(publisher: Publisher, base_url: str, asked_again: AskedAgain) -> None:
    sessions = [uuid4() for _ in range(8)]
    tokens = [publisher.issue(user_id=number, session_id=session) for number, session in enumerate(sessions, 1)]

    def ask(token: str) -> tuple[int, str, str]:
        response = httpx.get(base_url, headers=bearer(token))
        return response.status_code, response.text, response.headers.get("X-Reason", "")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, tokens)) == [(200, str(number), "") for number in range(1, 9)]
        publisher.revoked += [str(session) for session in sessions[:4]]
        asked_again()
        assert list(threads.map(ask, tokens)) == [
            *[(401, "", "revoked")] * 4,
            *[(200, str(number), "") for number in range(5, 9)],
        ]
        assert list(threads.map(ask, ["x", "nonsense"])) == [(401, "", "")] * 2
