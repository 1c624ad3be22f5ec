import logging
from ipaddress import ip_network

import pytest

from support.database import addresses_of
from support.services import Instance, Start
from support.users import add_user, log_in
from wutang_auth.api.middleware.client_address import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),  # the peer is no proxy of ours: what it says does not matter
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"1.2.3.4, 198.51.100.1", "198.51.100.1"),  # the left end is the client's own writing
        ("10.0.0.1", b"198.51.100.1, 10.0.0.2", "198.51.100.1"),  # through two proxies
        ("10.0.0.1", b"10.9.9.9, 10.0.0.2", "10.9.9.9"),  # all ours: the farthest
        ("10.0.0.1", b"198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", b"2001:DB8:0::1", "2001:db8::1"),
        ("10.0.0.1", b"::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff::1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1, unknown", "10.0.0.1"),  # no address: nothing to its left is believed
        ("10.0.0.1", b"198.51.100.1, ", "10.0.0.1"),
        ("10.0.0.1", b"<script>", "10.0.0.1"),
        ("10.0.0.1", b"\xff\xfe\x00", "10.0.0.1"),
        ("10.0.0.1", b"198.51.100.256", "10.0.0.1"),
        ("10.0.0.1", b"0198.51.100.1", "10.0.0.1"),
        ("10.0.0.1", b"1.2.3.4\r\nX: y", "10.0.0.1"),
        ("10.0.0.1", b"," * 4000, "10.0.0.1"),
        ("10.0.0.1", b"1.1.1.1" + b", 10.0.0.2" * 100, "10.0.0.2"),  # a bounded number of hops
        (None, b"198.51.100.1", None),
        ("", b"198.51.100.1", ""),
    ],
)
def test_client_address(peer: str | None, forwarded_for: bytes, expected: str | None) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == expected


async def test_the_session_shows_the_address_behind_the_proxies(start: Start) -> None:
    service = await start(trusted_proxies=[ip_network("127.0.0.0/8")])
    await add_user(service.settings)
    service.client.headers["X-Forwarded-For"] = "1.2.3.4, 198.51.100.7"
    await log_in(service.client)
    assert await addresses_of(service.settings) == ["198.51.100.7"]


async def test_several_forwarded_for_headers_are_one_list(start: Start) -> None:
    service = await start(trusted_proxies=[ip_network("127.0.0.0/8")])
    await add_user(service.settings)
    request = service.client.build_request(
        "POST",
        "/api/auth/login",
        json={"email": "ada@wutang.example", "password": "correct horse battery staple"},
        headers=[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "198.51.100.7")],
    )
    assert (await service.client.send(request)).status_code == 200
    assert await addresses_of(service.settings) == ["198.51.100.7"]


async def test_without_trusted_proxies_the_header_is_ignored(
    service: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    await add_user(service.settings)
    service.client.headers["X-Forwarded-For"] = "198.51.100.7"
    with caplog.at_level(logging.INFO, logger="wutang_auth.audit"):
        await log_in(service.client)
    assert await addresses_of(service.settings) == ["127.0.0.1"]
    assert [record.__dict__["fields"]["ip"] for record in caplog.records] == ["127.0.0.1"]
