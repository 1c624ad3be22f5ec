"""Bodies that cannot be understood: a clear answer, nothing of them in it, and nothing of them in the log."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.database import count_users, temporary_database
from support.http import assert_refused, success
from support.services import Instance, Start, running
from support.tokens import bearer
from support.users import CREDENTIALS, NEW_PASSWORD, PASSWORD, Login, add_and_log_in
from wutang_auth.observability.logs import ConsoleFormatter, JsonFormatter
from wutang_auth.settings import Settings, load

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ROUTES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "login": ("POST", "/api/auth/login", CREDENTIALS),
    "change_password": ("PUT", "/api/auth/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
    "create_user": ("POST", "/api/users", {"email": "bob@wutang.example", "password": NEW_PASSWORD}),
    "update_user": ("PATCH", "/api/users/{id}", {"name": "Bob", "email": "bob@wutang.example"}),
}


@dataclass
class Target:
    """A service that reads bodies, and someone who may send them everywhere."""

    instance: Instance
    login: Login

    async def send(
        self,
        route: str,
        content: Any,
        content_type: str | None = JSON,
        headers: dict[str, str] = {},  # noqa: B006
    ) -> httpx.Response:
        method, path, _ = ROUTES[route]
        sent = {**self.login.headers, **headers, **({"Content-Type": content_type} if content_type else {})}
        return await self.instance.client.request(
            method, path.format(id=self.login.user_id), content=content, headers=sent
        )

    async def assert_unharmed(self) -> None:
        me = success(await self.instance.client.get("/api/auth/me", headers=self.login.headers))
        assert (me["name"], me["email"], me["disabled"]) == ("Ada", "ada@wutang.example", False)


@pytest.fixture(scope="module")
async def target(keys_file: Path) -> AsyncIterator[Target]:
    """One service for all of this file: what is refused changes nothing, and each test looks."""
    async with temporary_database() as url:
        settings = load(Settings, _env_file=None, database_url=url, keys_file=keys_file, hash_workers=1)
        async with running(settings) as instance:
            yield Target(instance, await add_and_log_in(instance, scopes=["users:read", "users:write"]))


def valid(route: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ROUTES[route][2], **changes}.items() if value is not ...}


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return b'{"email": ' + opening.encode() * depth + closing.encode() * depth + b"}"


NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "space": b" ",
    "NUL": b"\x00",
    "cut off": b'{"email": "ada@wutang.example", "password": "corr',
    "single quotes": b"{'email': 'ada@wutang.example'}",
    "comment": b'{"email": "a@b.example" /* c */}',
    "trailing comma": b'{"email": "a@b.example",}',
    "something behind it": b'{"email": "a@b.example", "password": "x"} {}',
    "NUL behind it": b'{"email": "a@b.example", "password": "x"}\x00',
    "a form": b"email=ada%40wutang.example&password=x",
    "XML": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
    "not UTF-8": b'{"email": "ada\xff@wutang.example", "password": "x"}',
    "Latin-1": '{"email": "josé@wutang.example", "password": "x"}'.encode("latin-1"),
    "overlong UTF-8": b'{"email": "\xc0\xae@wutang.example", "password": "x"}',
    "a surrogate in UTF-8": b'{"email": "\xed\xa0\x80@wutang.example", "password": "x"}',
    "UTF-16": json.dumps(CREDENTIALS).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(CREDENTIALS).encode("utf-16-le"),
    "UTF-32": json.dumps(CREDENTIALS).encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(CREDENTIALS).encode(),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "NaN": b'{"email": NaN, "password": "x"}',
    "Infinity": b'{"email": "a@b.example", "password": Infinity}',
    "minus Infinity": b'{"email": "a@b.example", "password": -Infinity}',
    "NaN in an unknown field": b'{"email": "a@b.example", "password": "x", "y": [NaN]}',
    "a name twice": b'{"email": "a@b.example", "email": "c@d.example", "password": "x"}',
    "a name twice, once escaped": b'{"email": "a@b.example", "\\u0065mail": "c@d.example", "password": "x"}',
    "a name twice in an unknown field": b'{"email": "a@b.example", "password": "x", "y": {"z": 1, "z": 2}}',
    "a control character": b'{"email": "a\x01@b.example", "password": "x"}',
    "a bad escape": b'{"email": "\\x41@b.example", "password": "x"}',
    "a number that Python cannot read": b'{"email": ' + b"9" * 5000 + b"}",
    "deep arrays": nested(8000),
    "deep objects": nested(2700, '{"a":', "}"),
    "deep and never closed": b"[" * 16_000,
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", NOT_JSON)
async def test_what_is_not_strict_json_is_refused(target: Target, route: str, name: str) -> None:
    response = await target.send(route, NOT_JSON[name])
    body = assert_refused(response, 422, 10001)
    assert [error["field"] for error in body["errors"]] == ["body"]
    await target.assert_unharmed()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("document", [[], [CREDENTIALS], "text", 1, 1.5, True, None], ids=repr)
async def test_json_that_is_no_object_is_refused(target: Target, route: str, document: Any) -> None:
    body = assert_refused(await target.send(route, json.dumps(document)), 422, 10001)
    assert body["errors"] == [{"field": "body", "message": "必须是 JSON 对象"}]


WRONG: dict[str, Any] = {
    "null": None,
    "a number": 1,
    "true": True,
    "zero": 0,
    "a float": 1.5,
    "an array": ["ada@wutang.example"],
    "an object": {"$ne": ""},
    "an empty object": {},
    "NUL": "canary\x00@wutang.example",
    "a lone surrogate": "canary\ud800@wutang.example",
    "a lone low surrogate": "\udc00canary@wutang.example",
    "two surrogates in the wrong order": "\udc00\ud800canary@wutang.example",
}
TEXTS = [(route, field) for route, (_, _, body) in ROUTES.items() for field in body]


@pytest.mark.parametrize(("route", "field"), TEXTS)
@pytest.mark.parametrize("what", WRONG)
async def test_field_that_is_no_fit_text_is_named_and_not_shown(
    target: Target, route: str, field: str, what: str
) -> None:
    response = await target.send(route, json.dumps(valid(route, **{field: WRONG[what]})))
    body = assert_refused(response, 422, 10001)
    assert [error["field"] for error in body["errors"]] == [field]
    assert "canary" not in response.text
    assert "input" not in response.text
    await target.assert_unharmed()


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "update_user"])
async def test_every_missing_field_is_named(target: Target, route: str) -> None:
    body = assert_refused(await target.send(route, b"{}"), 422, 10001)
    assert body["errors"] == [{"field": field, "message": "必须填写"} for field in ROUTES[route][2]]


@pytest.mark.parametrize(
    "text", ["x" * 15_000, "a@" + "x" * 15_000, "\u0301" * 7000, "a" + "\u0315" * 3500 + "\u0316" * 3500], ids=len
)
async def test_long_text_costs_no_time(target: Target, text: str) -> None:
    """Normalizing 16 KB of marks in the wrong order takes a third of a second, in which nobody else is served."""
    for route, field in (*TEXTS, ("create_user", "name")):
        content = json.dumps(valid(route, **{field: text}), ensure_ascii=False).encode()
        started = time.process_time()
        response = await target.send(route, content)
        assert time.process_time() - started < 0.1
        assert_refused(response, 422, 10001)
    await target.assert_unharmed()


async def test_errors_are_told_in_english_too(target: Target) -> None:
    response = await target.send("login", b'{"email": 1}', headers={"Accept-Language": "en"})
    assert assert_refused(response, 422, 10001) == {
        "code": 10001,
        "message": "Invalid parameters",
        "data": None,
        "errors": [
            {"field": "email", "message": "must be a string"},
            {"field": "password", "message": "is required"},
        ],
    }


@pytest.mark.parametrize(
    "email",
    [
        "", " ", "ada", "@", "ada@", "@wutang.example", "a@b@c", "ada@wutang.example\n\nx", "a\tb@wutang.example",
        "a b@wutang.example", "ada@wutang\u202e.example", "ada\u200b@wutang.example", "ada\u2028@wutang.example",
        "ada＠wutang.example", "x" * 65 + "@wutang.example", "a@" + "x" * 253,
        "a\x7f@wutang.example", "a\x85b@wutang.example", "ada@wutang.example\r\nBcc: x@y.example",
    ],
    ids=ascii,
)  # fmt: skip
async def test_what_cannot_be_an_email_is_refused(target: Target, email: str) -> None:
    body = assert_refused(await target.send("login", json.dumps({"email": email, "password": PASSWORD})), 422, 10001)
    assert body["errors"] == [{"field": "email", "message": "不是有效的邮箱地址"}]


@pytest.mark.parametrize(
    ("password", "message"),
    [("", "不能为空或过短"), ("x" * 1025, "过长"), ("密" * 4000, "过长")],
    ids=["empty", "too long", "too long in Chinese"],
)
async def test_password_has_a_length(target: Target, password: str, message: str) -> None:
    response = await target.send("login", json.dumps(valid("login", password=password), ensure_ascii=False))
    assert assert_refused(response, 422, 10001)["errors"] == [{"field": "password", "message": message}]


async def test_longest_password_is_read(target: Target) -> None:
    content = json.dumps(valid("login", email="nobody@wutang.example", password="密" * 1024), ensure_ascii=False)
    assert_refused(await target.send("login", content.encode()), 401, 10003)


# -- size


@pytest.mark.parametrize("route", ROUTES)
async def test_body_that_says_it_is_too_large_is_refused_unread(target: Target, route: str) -> None:
    read = []

    async def megabyte() -> AsyncIterator[bytes]:
        for _ in range(1024):
            read.append(1)
            yield b" " * 1024

    for length in ("16385", "1000000000", "99999999999999999999999999"):
        response = await target.send(route, megabyte(), headers={"Content-Length": length})
        assert assert_refused(response, 413, 10001)["errors"] == []
    assert read == []
    await target.assert_unharmed()


@pytest.mark.parametrize("route", ROUTES)
async def test_body_that_turns_out_too_large_is_refused_at_the_limit(target: Target, route: str) -> None:
    read = []

    async def megabyte() -> AsyncIterator[bytes]:
        for _ in range(1024):
            read.append(1)
            yield b" " * 1024

    response = await target.send(route, megabyte(), headers={"Transfer-Encoding": "chunked"})
    assert assert_refused(response, 413, 10001)["errors"] == []
    assert len(read) == 17
    await target.assert_unharmed()


async def test_body_of_exactly_the_limit_is_read(target: Target) -> None:
    content = json.dumps(CREDENTIALS).encode().ljust(16 * 1024)
    success(await target.send("login", content))
    assert_refused(await target.send("login", content + b" "), 413, 10001)


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "1e3", "", " ", "5, 5", "１", "abc"], ids=repr)
async def test_content_length_that_is_no_number_is_refused(target: Target, length: str) -> None:
    response = await target.instance.client.post(
        "/api/auth/login",
        content=json.dumps(CREDENTIALS),
        headers=[(b"Content-Type", JSON.encode()), (b"Content-Length", length.encode())],
    )
    assert response.status_code in (413, 422)
    assert_refused(response, response.status_code, 10001)


async def test_client_that_stops_sending_is_refused(target: Target) -> None:
    messages = [{"type": "http.request", "body": b'{"email":', "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/api/auth/login", "raw_path": b"",
        "query_string": b"", "headers": [(b"host", b"wutang.test"), (b"content-type", JSON.encode())],
        "client": ("127.0.0.1", 1), "server": ("wutang.test", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await target.instance.app(scope, receive, send)
    assert sent[0]["status"] == 422


# -- media types


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "content_type",
    [
        None, "", "text/plain", "text/json", "application/xml", "application/jsonp", "application/json+x", "json",
        "multipart/form-data; boundary=x", "application/json, application/json", "*/*", "application/*", ";",
        "application/json; charset=utf-16", "application/json; charset=gbk", 'application/json; charset="big5"',
        "application/json\x00", "application/vnd.wutang+json", "a" * 5000,
    ],
)  # fmt: skip
async def test_other_media_types_are_refused(target: Target, route: str, content_type: str | None) -> None:
    response = await target.send(route, json.dumps(valid(route)).encode(), content_type)
    assert assert_refused(response, 415, 10001)["errors"] == []
    await target.assert_unharmed()


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "login"])
async def test_forms_are_for_login_only(target: Target, route: str) -> None:
    assert_refused(await target.send(route, "name=Eve&email=eve%40wutang.example", FORM), 415, 10001)
    await target.assert_unharmed()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x", "GZIP"])
async def test_content_codings_are_refused(target: Target, coding: str) -> None:
    response = await target.send("login", json.dumps(CREDENTIALS), headers={"Content-Encoding": coding})
    assert_refused(response, 415, 10001)


async def test_identity_is_no_content_coding(target: Target) -> None:
    success(await target.send("login", json.dumps(CREDENTIALS), headers={"Content-Encoding": "Identity"}))


async def test_two_content_types_are_refused(target: Target) -> None:
    response = await target.instance.client.post(
        "/api/auth/login",
        content=json.dumps(CREDENTIALS),
        headers=[(b"Content-Type", JSON.encode()), (b"Content-Type", FORM.encode())],
    )
    assert_refused(response, response.status_code, 10001)
    assert response.status_code in (400, 415, 422)


# -- forms


@pytest.mark.parametrize(
    "form",
    [
        b"email",
        b"email=a%40b.example&password",
        b"email=a%40b.example&&password=x",
        b"&",
        b"email=a%40b.example;password=x&",
        b"email=a%40b.example&email=c%40d.example&password=x",
        b"email=a%40b.example&password=x&password=y",
        b"email=a%40b.example&password=x&" + b"&".join(b"f%d=1" % number for number in range(1000)),
        b"email=%ff%40b.example&password=x",
        b"email=a%40b.example&password=%c3%28",
        b"email=a%40b.example&password=%ed%a0%80",
        b"email=a%40b.example&password=\xff",
        "email=josé@b.example&password=x".encode(),
        b"\x00",
        json.dumps(CREDENTIALS).encode(),
    ],
    ids=lambda form: repr(form)[:60],
)
async def test_malformed_forms_are_refused(target: Target, form: bytes) -> None:
    body = assert_refused(await target.send("login", form, FORM), 422, 10001)
    assert [error["field"] for error in body["errors"]] == ["body"]


async def test_fields_that_nobody_knows_are_ignored_in_a_form_too(target: Target) -> None:
    form = b"other=1&email=nobody%40b.example&other=2&password=x&%00=&=3"
    assert_refused(await target.send("login", form, FORM), 401, 10003)


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (b"", ["email", "password"]),
        (b"email=a%40b.example", ["password"]),
        (b"email=&password=", ["email", "password"]),
        (b"email[]=a%40b.example&password=x", ["email"]),
        (b"EMAIL=a%40b.example&password=x", ["email"]),
        (b"email=a%00%40b.example&password=x", ["email"]),
        (b"email=a%40b.example&password=x%00", ["password"]),
        (b"email=a%zz&password=x", ["email"]),
        (b"email=%&password=x", ["email"]),
        (b"=", ["email", "password"]),
    ],
    ids=repr,
)
async def test_forms_with_bad_fields_name_them(target: Target, form: bytes, fields: list[str]) -> None:
    body = assert_refused(await target.send("login", form, FORM), 422, 10001)
    assert [error["field"] for error in body["errors"]] == fields


# -- nothing leaks


async def test_nothing_that_was_sent_is_answered_or_logged(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    """A canary in every place that a client can write to, in requests that are refused in every way."""
    caplog.set_level(logging.DEBUG)
    canary = f"canary{uuid4().hex}"
    email, wrong = f"{canary}@wutang.example", {canary: [canary]}
    bodies: list[Any] = [
        f'{{"{canary}": ',
        f'"{canary}"',
        f'{{"email": "{canary}", "{canary}": "{canary}", "{canary}": 1}}',
        json.dumps({"email": canary, "password": canary}),
        json.dumps({"email": wrong, "password": wrong}),
        json.dumps({"email": email, "password": f"{canary}\x00"}),
        json.dumps({"email": email, "password": f"{canary}\ud800"}),
        json.dumps({"email": email, "password": canary * 100}),
        json.dumps({"email": email, "password": canary}),
        json.dumps({"current_password": canary, "new_password": canary}),
        json.dumps({"current_password": wrong, "new_password": wrong}),
        json.dumps({"email": email, "password": "short", "name": f"{canary}\x00", "scopes": [canary, wrong]}),
        json.dumps({"email": email, "password": canary, "scopes": [canary]}),
        json.dumps({"email": email, "password": canary, "disabled": canary, "email_verified_at": canary}),
        f"{canary}={canary}",
        canary.encode("utf-16"),
        canary * 1000,
    ]
    answers = []
    for route in ROUTES:
        for content_type in (JSON, FORM, f"text/{canary}", f"{JSON}; charset={canary}"):
            answers += [await target.send(route, body, content_type) for body in bodies]
    client = target.instance.client
    headers = {
        **target.login.headers, "Cookie": canary, "X-Canary": canary, "Accept-Language": canary, "Referer": canary,
        "X-Request-ID": f"{canary} not an id", "X-Forwarded-For": canary, "Accept": canary,
    }  # fmt: skip
    for method, path in (
        ("GET", f"/api/{canary}"), ("GET", f"/{canary}?{canary}={canary}"), (canary.upper(), "/api/auth/login"),
        ("GET", f"/api/users?after={canary}&limit={canary}&email={canary}&{canary}={canary}"),
        ("GET", f"/api/users/{canary}"), ("PATCH", f"/api/users/{canary}"), ("DELETE", f"/api/auth/sessions/{canary}"),
        ("DELETE", f"/api/auth/logout?everywhere={canary}"), ("GET", f"/api/response_code?10001={canary}"),
    ):  # fmt: skip
        answers.append(await client.request(method, path, headers=headers))
    for token in (canary, f"{canary}.{canary}.{canary}", target.login.access_token + canary):
        for method, path in (("GET", "/api/auth/me"), ("PUT", "/api/auth/refresh"), ("DELETE", "/api/auth/logout")):
            answers.append(await client.request(method, path, headers=bearer(token)))
    for answer in answers:
        assert answer.status_code < 500, answer.text
        assert canary not in answer.text
        assert canary not in str(answer.headers.multi_items())
        if "/api" in answer.request.url.path and answer.status_code != 200:
            assert answer.json()["code"] in (10001, 10003, 40001, 40004)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert {"wutang_auth.audit"} <= {record.name for record in ours}
    for record in ours:
        for formatter in (JsonFormatter(), ConsoleFormatter()):
            line = formatter.format(record)
            assert canary not in line
            assert target.login.access_token not in line
            assert PASSWORD not in line
    assert await count_users(target.instance.settings) == 1
    await target.assert_unharmed()


async def test_slow_body_is_given_up(start: Start) -> None:
    service = await start(receive_timeout=0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"email": '
        await asyncio.sleep(30)

    headers = {"Content-Type": "application/json"}
    assert_refused(await service.client.post("/api/auth/login", content=slow(), headers=headers), 422, 10001)
