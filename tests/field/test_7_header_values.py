"""Kind 7: header values and parameters as programs really send them."""

import gzip
import json
import logging
from ipaddress import ip_network
from urllib.parse import urlencode

import httpx
import pytest

from support.database import addresses_of
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import CREDENTIALS, add_and_log_in, add_user, log_in
from wutang_auth.api.header_values import accepts_gzip
from wutang_auth.api.middleware.client_address import client_address

JSON = json.dumps(CREDENTIALS).encode()
FORM = urlencode(CREDENTIALS).encode()
TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


async def post(service: Instance, content: bytes, *headers: tuple[bytes, bytes]) -> httpx.Response:
    return await service.client.post("/api/auth/login", content=content, headers=list(headers))


@pytest.fixture(scope="module")
async def with_ada(shared_service: Instance) -> Instance:
    """The service that the tests of this file share, with a user who may log in."""
    await add_user(shared_service.settings)
    return shared_service


BLANKS = [b"%s ", b" %s", b"%s\t", b"\t %s \t", b"%s  "]


@pytest.mark.parametrize("blanks", BLANKS, ids=repr)
async def test_7_blanks_around_a_value_are_not_of_it(
    start: Start, blanks: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(trusted_proxies=[ip_network("127.0.0.0/8")], cors_origins=("https://shop.example",))
    await add_user(service.settings)
    sent = {
        b"Content-Length": b"%d" % len(JSON),
        b"Content-Type": b"application/json",
        b"Content-Encoding": b"identity",
        b"X-Request-ID": b"r-1",
        b"X-Forwarded-For": b"198.51.100.7",
        b"User-Agent": b"curl",
        b"Accept-Language": b"en",
        b"Origin": b"https://shop.example",
        b"Host": b"wutang.test",
    }
    with caplog.at_level(logging.INFO, logger="wutang_auth.audit"):
        response = await post(service, JSON, *((name, blanks % value) for name, value in sent.items()))
    token = success(response)["access_token"]
    assert response.json()["message"] == "Success"
    assert response.headers["x-request-id"] == "r-1"
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    [line] = [record.__dict__["fields"] for record in caplog.records if record.name == "wutang_auth.audit"]
    assert line["ip"] == "198.51.100.7"
    for path in ("/api/auth/me", "/api/auth/sessions"):
        authorization = [(b"Authorization", blanks % f"Bearer {token}".encode())]
        data = success(await service.client.get(path, headers=authorization))
    assert data[0]["user_agent"] == "curl"
    asset = (await service.client.get("/docs")).text.split('src="')[1].split('"')[0]
    compressed = await service.client.get(f"/{asset}", headers=[(b"Accept-Encoding", blanks % b"gzip")])
    assert compressed.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("sent", "is_english"),
    [
        ("zh_CN,en;q=0.5", False), ("zh-Hant-TW,en;q=0.9", False), ("cmn-Hans,en;q=0.8", False), ("zh_CN", False),
        ("zh_TW.UTF-8,en;q=0.5", False), ("yue-HK,en;q=0.5", False), ("zh_Hans_CN;q=1.0,en;q=0.9", False),
        ("cmn,en;q=0.1", False), ("zho,en;q=0.1", False), ("ZH_cn , EN;q=0.5", False), ("nan-Hant-TW,en;q=0.7", False),
        ("en_US", True), ("en_US.UTF-8,zh_CN;q=0.5", True), ("en;level=1;q=0.2,zh;q=0.1", True), ("eng", True),
        ("en;level=1;q=0.1,zh;q=0.2", False), ("zhx,en", True), ("de_DE,en;q=0.5", True), ("cmn;q=0,en;q=0.1", True),
    ],
)  # fmt: skip
async def test_7_chinese_in_all_its_spellings(shared_service: Instance, sent: str, is_english: bool) -> None:
    response = await shared_service.client.get("/api/nothing", headers={"Accept-Language": sent})
    assert response.json()["message"] == ("Not found" if is_english else "查询为空")


async def test_7_several_accept_languages_are_one_list(service: Instance) -> None:
    headers = [("Accept-Language", "en;q=0.5"), ("Accept-Language", "zh_CN")]
    assert (await service.client.get("/api/nothing", headers=headers)).json()["message"] == "查询为空"


@pytest.mark.parametrize(
    "parameters",
    [
        "; charset=us-ascii", "; charset=ISO-8859-1", ";charset=UTF-8", "; charset=utf8", '; charset="utf-8"',
        '; Charset = "US-ASCII"', "; charset=latin1", "; charset=windows-1252", "; charset=iso-8859-15", "; charset=",
        "; charset='utf-8'", ";charset=utf-8;", "; odata.metadata=minimal; charset=utf-8", '; x="; charset=utf-16"',
        '; charset="ut\\f-8"', "; version=1", " ; charset=ANSI_X3.4-1968", "; charset=utf-8; boundary=something",
    ],
)  # fmt: skip
async def test_7_charset_is_what_libraries_say_by_default(with_ada: Instance, parameters: str) -> None:
    for content, media_type in ((JSON, "application/json"), (FORM, "application/x-www-form-urlencoded")):
        success(await post(with_ada, content, (b"Content-Type", f"{media_type}{parameters}".encode())))


async def test_7_bytes_are_read_as_utf_8_whatever_the_charset_says(service: Instance) -> None:
    credentials = {"email": "josé@wutang.example", "password": "correct horse battery staple"}
    await add_user(service.settings, credentials["email"])
    latin = (b"Content-Type", b"application/json; charset=ISO-8859-1")
    success(await post(service, json.dumps(credentials, ensure_ascii=False).encode(), latin))
    response = await post(service, json.dumps(credentials, ensure_ascii=False).encode("latin-1"), latin)
    assert assert_refused(response, 422, 10001)["errors"][0]["field"] == "body"
    form = (b"Content-Type", b"application/x-www-form-urlencoded; charset=ISO-8859-1")
    success(await post(service, urlencode(credentials).encode(), form))
    assert_refused(await post(service, urlencode(credentials, encoding="latin-1").encode(), form), 422, 10001)


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("text/plain", "application/json, application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", "application/json, application/x-www-form-urlencoded"),
        ("", "application/json, application/x-www-form-urlencoded"),
        (
            "application/json; charset=utf-16",
            "application/json; charset=utf-8, application/x-www-form-urlencoded; charset=utf-8",
        ),
        (
            "application/x-www-form-urlencoded; charset=gbk",
            "application/json; charset=utf-8, application/x-www-form-urlencoded; charset=utf-8",
        ),
    ],
)
async def test_7_unsupported_media_type_says_what_is_taken(
    shared_service: Instance, content_type: str, accepted: str
) -> None:
    response = await post(shared_service, JSON, (b"Content-Type", content_type.encode()))
    assert assert_refused(response, 415, 10001)["errors"] == []
    assert response.headers["accept"] == accepted
    assert "accept-encoding" not in response.headers


async def test_7_route_without_forms_says_so(service: Instance) -> None:
    login = await add_and_log_in(service)
    response = await service.client.put("/api/auth/password", data={"current_password": "x"}, headers=login.headers)
    assert_refused(response, 415, 10001)
    assert response.headers["accept"] == "application/json"


async def test_7_compressed_body_is_told_which_coding_is_taken(service: Instance) -> None:
    await add_user(service.settings)
    headers = [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")]
    response = await post(service, gzip.compress(JSON), *headers)
    assert_refused(response, 415, 10001)
    assert response.headers["accept-encoding"] == "identity"
    for coding in (b"", b"identity", b"Identity, identity"):
        success(await post(service, JSON, headers[0], (b"Content-Encoding", coding)))


@pytest.mark.parametrize(
    ("accept_encoding", "is_accepted"),
    [
        ("gzip", True), ("GZIP", True), ("x-gzip", True), ("deflate, gzip;q=0.5", True), ("*", True),
        ("gzip;q=0", False), ("gzip; q=0.000", False), ("", False), ("br", False), ("*;q=0", False), ("notgzip", False),
        ("*, gzip;q=0", False), ("br, *;q=0.1", True),
    ],
)  # fmt: skip
def test_7_gzip_is_for_who_takes_it(accept_encoding: str, is_accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) == is_accepted


FORWARDED = [
    ("for=198.51.100.1", "198.51.100.1"),
    ("For=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
    ("proto=https; for=198.51.100.1", "198.51.100.1"),
    ('for="198.51.100.1:4711"', "198.51.100.1"),
    ("for=198.51.100.1:4711", "198.51.100.1"),
    ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
    ('for="[2001:DB8:cafe::17]"', "2001:db8:cafe::17"),
    ("for=1.2.3.4, for=198.51.100.1", "198.51.100.1"),
    ("for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
    ('for=198.51.100.1,for="[2001:db8:ffff::9]"', "198.51.100.1"),
    ("for=198.51.100.1;host=a.example , for=10.0.0.2 ", "198.51.100.1"),
    ("for=10.9.9.9, for=10.0.0.2", "10.9.9.9"),
    ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
    ("for=198.51.100.1, for=unknown", "10.0.0.1"),
    ('for=198.51.100.1, for="_gazonk:80"', "10.0.0.1"),
    ("for=_hidden, for=198.51.100.1", "198.51.100.1"),
    ("for=198.51.100.1, proto=https", "10.0.0.1"),
    ("for=198.51.100.1;for=1.2.3.4", "10.0.0.1"),
    # a client began a quotation that a proxy's own element shall vanish in
    ('for="1.2.3.4, for=198.51.100.1', "198.51.100.1"),
    ('for=1.2.3.4;x=", for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
    ('for=1.2.3.4;x="\\", for=198.51.100.1', "198.51.100.1"),
    ("198.51.100.1", "10.0.0.1"),
    ("", "10.0.0.1"),
    ("for=", "10.0.0.1"),
    ('for="', "10.0.0.1"),
    ("for=198.51.100.256", "10.0.0.1"),
    (", ,", "10.0.0.1"),
    (";" * 4000, "10.0.0.1"),
    ('for="a' * 1000, "10.0.0.1"),
    ("for=1.1.1.1" + ", for=10.0.0.2" * 100, "10.0.0.2"),
]


@pytest.mark.parametrize(("forwarded", "expected"), FORWARDED, ids=lambda value: value[:50])
def test_7_forwarded_is_walked_from_the_right(forwarded: str, expected: str) -> None:
    for peer, address in (("10.0.0.1", expected), ("203.0.113.9", "203.0.113.9")):
        assert client_address(peer, forwarded.encode("latin-1"), TRUSTED, is_rfc_7239=True) == address


async def test_7_clients_behind_a_proxy_that_says_forwarded_have_addresses_of_their_own(start: Start) -> None:
    service = await start(trusted_proxies=[ip_network("127.0.0.0/8")])
    await add_user(service.settings)
    for headers in (
        [("Forwarded", "for=198.51.100.1;proto=https")],
        [("Forwarded", "for=1.2.3.4"), ("Forwarded", 'for="[2001:db8::1]"')],
        [("Forwarded", "for=1.2.3.4"), ("X-Forwarded-For", "198.51.100.2")],
        [("Forwarded", "for=198.51.100.3"), ("X-Forwarded-For", "")],
    ):
        request = service.client.build_request("POST", "/api/auth/login", json=CREDENTIALS, headers=headers)
        success(await service.client.send(request))
    assert await addresses_of(service.settings) == ["198.51.100.1", "2001:db8::1", "198.51.100.2", "198.51.100.3"]


async def test_7_forwarded_of_a_stranger_is_not_believed(service: Instance) -> None:
    await add_user(service.settings)
    service.client.headers["Forwarded"] = "for=198.51.100.1"
    await log_in(service.client)
    assert await addresses_of(service.settings) == ["127.0.0.1"]
