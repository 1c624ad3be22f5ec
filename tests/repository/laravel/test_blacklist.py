"""What an entry of a cache store says."""

import hashlib

import pytest

from wutang_auth.repository.laravel.blacklist import Finding, entry_of, finding

JTI = b"0Rpyi4Xlidt18HaC"
TAG = hashlib.sha1(b"tag:tymon.jwt:entries").hexdigest().encode()
VALUE = b'a:1:{s:11:"valid_until";i:1700000000;}'


@pytest.mark.parametrize(
    "key",
    [JTI, b"shop_cache_" + JTI, b"shop_database_shop_cache_:" + TAG + b":" + JTI, b"shop-cache-" + JTI],
)
def test_jti_is_the_end_of_the_key(key: bytes) -> None:
    assert entry_of(key, VALUE).jti_sha1 == hashlib.sha1(JTI).digest()


@pytest.mark.parametrize("key", [b"", b"short", JTI + b"\n", JTI[:-1] + b"-", JTI + "é".encode()])
def test_key_without_one_is_of_something_else(key: bytes) -> None:
    assert finding(entry_of(key, VALUE)) is Finding.OTHER


@pytest.mark.parametrize("value", [VALUE, b'a:1:{s:11:"valid_until";i:9999999999;}', b's:7:"forever";', b"a:0:{}"])
def test_what_jwt_auth_writes_revokes(value: bytes) -> None:
    assert finding(entry_of(JTI, value)) is Finding.REVOKED


@pytest.mark.parametrize(
    "value",
    [b"N;", b"b:1;", b"i:5;", b"d:0.5;", b"5", b"-0.5", b's:3:"abc";', b'a:1:{s:1:"a";i:1;}', b'O:8:"stdClass":0:{}'],
)
def test_other_serializations_are_of_something_else(value: bytes) -> None:
    assert finding(entry_of(JTI, value)) is Finding.OTHER


@pytest.mark.parametrize("value", [b"", b"forever", b"\x00\x00\x00\x02\x14\x01", b"null", b'{"valid_until": 1}'])
def test_no_serialization_is_told_apart(value: bytes) -> None:
    assert finding(entry_of(JTI, value)) is Finding.UNREADABLE


@pytest.mark.parametrize("seconds", [None, "", "soon", "99999999999999999999", "1e400"])
def test_time_that_is_none_is_for_ever(seconds: str | None) -> None:
    assert entry_of(JTI, VALUE, seconds).expires_at is None
