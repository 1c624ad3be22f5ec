"""Codes of apps: the vectors of the RFCs, the steps that count, and what apps read."""

from base64 import b32decode
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wutang_auth.second_factor.totp import (
    DIGITS,
    KEY_BYTES,
    STEP_SECONDS,
    code_of,
    matching_step,
    new_secret,
    secret_text,
    shown_issuer,
    step_of,
    uri,
)

SECRET = b"12345678901234567890"  # of both RFCs


@pytest.mark.parametrize(
    ("counter", "code"),
    [
        (0, "755224"), (1, "287082"), (2, "359152"), (3, "969429"), (4, "338314"),
        (5, "254676"), (6, "287922"), (7, "162583"), (8, "399871"), (9, "520489"),
    ],
)  # fmt: skip
def test_codes_are_those_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert code_of(SECRET, counter) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert code_of(SECRET, step_of(seconds), digits=8) == code


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), st.integers(10, 2**34), st.integers(-5, 5))
def test_a_code_counts_in_its_step_and_in_the_ones_beside_it(secret: bytes, step: int, off: int) -> None:
    found = matching_step(secret, code_of(secret, step), (step + off) * STEP_SECONDS + 17)
    if abs(off) <= 1:
        assert found is not None
        assert code_of(secret, found) == code_of(secret, step)
    elif found is not None:  # one code in some 300,000 is also that of another step
        assert code_of(secret, found) == code_of(secret, step)


def test_nothing_else_counts() -> None:
    now = 1_800_000_000
    right = {code_of(SECRET, step_of(now) + off) for off in (-1, 0, 1)}
    wrong = {code_of(SECRET, step_of(now) + off) for off in (-3, -2, 2, 3)} - right
    assert all(matching_step(SECRET, code, now) is not None for code in right)
    assert all(matching_step(SECRET, code, now) is None for code in wrong)


def test_each_secret_is_another_one_of_160_bits() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {20}
    assert b32decode(secret_text(SECRET)) == SECRET
    assert "=" not in secret_text(SECRET)


@pytest.mark.parametrize(
    ("issuer", "account"),
    [
        ("Shop", "ada@wutang.example"),
        ("Käse & Wein", "ada+x@wutang.example"),
        ("商店", "用户@例子.example"),
        ("Shop: the second", "odd:name@wutang.example"),
        ("a/b?c#d%", 'x"y@wutang.example'),
    ],
)
def test_an_app_reads_issuer_account_and_secret_from_the_uri(issuer: str, account: str) -> None:
    read = urlsplit(uri(SECRET, issuer=issuer, account=account))
    assert (read.scheme, read.netloc) == ("otpauth", "totp")
    label = unquote(read.path.removeprefix("/"))
    assert label.count(":") == 1
    assert label.split(":") == [issuer.replace(":", " "), account.replace(":", " ")]
    query = parse_qs(read.query)
    assert query == {
        "secret": [secret_text(SECRET)],
        "issuer": [issuer.replace(":", " ")],
        "algorithm": ["SHA1"],
        "digits": [str(DIGITS)],
        "period": [str(STEP_SECONDS)],
    }
    assert read.fragment == ""


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [("wutang-auth", "wutang-auth"), ("https://shop.example/auth", "shop.example"), ("a:b", "a:b")],
)
def test_an_issuer_that_is_a_url_is_shown_by_its_host(issuer: str, shown: str) -> None:
    assert shown_issuer(issuer) == shown
