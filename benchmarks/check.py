"""Whether a contender does what is measured of it, before anything is measured."""

import json
from http.client import HTTPConnection
from typing import Any

from contenders.seeding import email
from load import LoadError
from servers import PASSWORD, Server

OK, REFUSED = (200,), (400, 401, 422)


def check(server: Server) -> None:
    """Look, log in and refresh; and see that what must be refused is.

    Raises:
        LoadError: something was answered otherwise.
    """
    contender = server.contender
    access = first_line(server, "access")
    look(server, access, OK)
    look(server, access[:-10] + "A" * 10, REFUSED)
    if contender.login:
        kind, body = contender.login_type, contender.login_body.replace("EMAIL", email(1))
        sent = {"Content-Type": kind}
        ask(server, f"POST {contender.login}", sent, body.replace("PASSWORD", "wrong"), REFUSED)
        answer = ask(server, f"POST {contender.login}", sent, body.replace("PASSWORD", PASSWORD), OK)
        look(server, find(answer, "access_token", "access"), OK)
    if contender.refresh:
        refresh = first_line(server, "refresh")
        renewed = renew(server, refresh, OK)
        answer = renew(server, find(renewed, contender.refresh_field), OK)
        look(server, find(answer, "access_token", "access"), OK)
        renew(server, refresh, REFUSED)


def look(server: Server, token: str, expected: tuple[int, ...]) -> Any:
    """`/me` with this access token."""
    return ask(server, f"GET {server.contender.me}", {"Authorization": f"Bearer {token}"}, None, expected)


def renew(server: Server, token: str, expected: tuple[int, ...]) -> Any:
    """A refresh with this token."""
    contender = server.contender
    if contender.refresh_in == "header":
        headers, body = {"Authorization": f"Bearer {token}"}, None
    else:
        headers, body = {"Content-Type": "application/json"}, json.dumps({contender.refresh_field: token})
    return ask(server, f"{contender.refresh_method} {contender.refresh}", headers, body, expected)


def ask(server: Server, what: str, headers: dict[str, str], body: str | None, expected: tuple[int, ...]) -> Any:
    """The JSON of the answer, which must have one of these statuses."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(*what.split(), body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status not in expected:
        raise LoadError(f"{server.contender.label}: {what} is answered {answer.status} {text[:200]!r}")
    return json.loads(text)


def find(answer: Any, *names: str) -> str:
    """A member of the answer, or of what its envelope has."""
    members = answer.get("data") or answer
    return next(str(members[name]) for name in names if name in members)


def first_line(server: Server, name: str) -> str:
    """The first of its tokens of this kind; no measure uses the first refresh token."""
    return (server.directory / f"{name}.txt").read_text().split("\n", 1)[0]
