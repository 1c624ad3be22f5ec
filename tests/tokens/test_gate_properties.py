"""The gate by properties: whatever comes, it is a genuine token or one of two errors."""

import json
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.database import temporary_database
from support.services import Instance, running
from support.tokens import Forge, decode_segment, encode_segment
from wutang_auth.errors import TokenExpired, TokenInvalid
from wutang_auth.settings import Settings, load
from wutang_auth.tokens.access import Claims, Tokens, _Verified
from wutang_auth.tokens.key_ring import KeyRing

NOW = 1_800_000_000
USER = 42
SESSION = UUID("11111111-2222-4333-8444-555555555555")
RING = KeyRing.generate()
SETTINGS = load(Settings, _env_file=None, database_url="postgresql://nowhere/none", keys_file=Path("none"))
TOKENS = Tokens(SETTINGS, RING, clock=lambda: NOW)
PAIR = TOKENS.issue(user_id=USER, session_id=SESSION, generation=3, scopes=["a"], session_lifetime=1000)
FORGE = Forge(RING.active)
HEADER, CLAIMS = (decode_segment(segment) for segment in PAIR.access_token.split(".")[:2])

quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)
tokens = st.sampled_from([PAIR.access_token, PAIR.refresh_token])
base64url = st.text(string.ascii_letters + string.digits + "-_", max_size=120)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
near_numbers = (
    st.integers(-2, 2**54)
    | st.floats()
    | st.sampled_from([0, 1, NOW - 1, NOW, NOW + 1, NOW + 5, NOW + 6, 2**53, True, "1"])
)
near_texts = st.text(max_size=40) | st.sampled_from(
    ["1", "01", "0", "wutang", "wutang-auth", str(SESSION), str(SESSION).upper()]
)
noise = st.text() | st.binary().map(lambda value: value.decode("latin-1"))


def verdict(token: str) -> Claims | type[Exception]:
    """What the gate says; any other exception is the finding."""
    try:
        return TOKENS.verify(token, ("access", "refresh"))
    except (TokenInvalid, TokenExpired) as error:
        return type(error)


def test_the_pair_itself_passes() -> None:
    back_dated = NOW - 5
    assert verdict(PAIR.access_token) == Claims("access", USER, SESSION, 3, back_dated, NOW + 1000, "a")
    assert verdict(PAIR.refresh_token) == Claims("refresh", USER, SESSION, 3, back_dated, NOW + 1000)


@quick
@given(
    st.text() | st.binary().map(lambda value: value.decode("latin-1")) | st.lists(base64url, max_size=6).map(".".join)
)
def test_noise_is_refused(noise: str) -> None:
    assert verdict(noise) is TokenInvalid


@quick
@given(st.lists(st.binary(max_size=200), min_size=3, max_size=3))
def test_well_encoded_noise_is_refused(parts: list[bytes]) -> None:
    assert verdict(".".join(encode_segment(part) for part in parts)) is TokenInvalid


@pytest.mark.no_cover
@pytest.mark.parametrize("token", [PAIR.access_token, PAIR.refresh_token], ids=["access", "refresh"])
def test_no_character_can_be_changed(token: str) -> None:
    """At every place: the neighbours in the alphabet, which differ in one bit, and what base64 decoders overlook."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for place, character in enumerate(token):
        at = alphabet.find(character)
        others = {alphabet[at ^ bit] for bit in (1, 2, 4, 8, 16, 32)} if at >= 0 else set()
        for other in (others | set(".=+/ \n\x00é")) - {character}:
            assert verdict(token[:place] + other + token[place + 1 :]) is TokenInvalid, (place, other)
        assert verdict(token[:place] + token[place + 1 :]) is TokenInvalid, place
        assert verdict(token[:place] + character + token[place:]) is TokenInvalid, place


@quick
@given(tokens, st.integers(0, 600), st.text(min_size=1, max_size=3) | base64url.filter(bool))
def test_nothing_can_be_put_in(token: str, place: int, inserted: str) -> None:
    place = min(place, len(token))
    assert verdict(token[:place] + inserted + token[place:]) is TokenInvalid


@quick
@given(tokens, st.integers(0, 600), st.integers(1, 600))
def test_nothing_can_be_taken_out(token: str, place: int, length: int) -> None:
    place = min(place, len(token) - 1)
    assert verdict(token[:place] + token[place + length :]) is TokenInvalid


@quick
@given(st.permutations([*PAIR.access_token.split("."), *PAIR.refresh_token.split(".")]))
def test_parts_of_two_tokens_make_no_third(parts: list[str]) -> None:
    token = ".".join(parts[:3])
    assert verdict(token) is TokenInvalid or token in (PAIR.access_token, PAIR.refresh_token)


@quick
@given(json_values)
@example([[[[[]]]]])
def test_any_signed_json_is_refused(document: Any) -> None:
    assert verdict(FORGE.sign(HEADER, json.dumps(document).encode())) is TokenInvalid


@quick
@given(st.binary(max_size=300))
def test_any_signed_bytes_are_refused(document: bytes) -> None:
    assert verdict(FORGE.sign(HEADER, document)) is TokenInvalid


@settings(quick, max_examples=1000)
@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), json_values | near_numbers | near_texts, max_size=3))
def test_signed_claims_pass_only_if_each_of_them_is_right(changes: dict[str, Any]) -> None:
    claims = {**CLAIMS, **changes}
    told = verdict(FORGE.sign(HEADER, json.dumps(claims).encode()))
    if not is_right(claims):
        assert told is TokenInvalid
    elif claims["exp"] <= NOW:
        assert told is TokenExpired
    elif max(claims["iat"], claims["nbf"]) > NOW + 5:
        assert told is TokenInvalid
    else:
        sid = UUID(claims["sid"])
        times = max(claims["iat"], claims["nbf"]), claims["exp"]
        assert told == Claims("access", int(claims["sub"]), sid, claims["gen"], *times, claims["scope"])


def is_right(claims: dict[str, Any]) -> bool:
    """The contract's claims, written down once more."""

    def number(name: str, most: int) -> bool:
        return type(claims[name]) is int and 0 <= claims[name] <= most

    sub, sid = claims["sub"], claims["sid"]
    return (
        claims["iss"] == "wutang-auth"
        and claims["aud"] == "wutang"
        and all(type(claims[name]) is str for name in ("client_id", "scope", "jti", "sub", "sid"))
        and (sub.isascii() and sub.isdigit() and not sub.startswith("0") and int(sub) < 2**63)
        and (sid == str(SESSION))
        and number("gen", 2**31 - 1)
        and all(number(name, 2**53) for name in ("iat", "nbf", "exp"))
    )


@settings(quick, max_examples=400)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "zip"]) | st.text(max_size=5),
        json_values | st.sampled_from(["none", "HS256", "ES256", "at+jwt", "rt+jwt", "JWT", RING.keys[1].kid]),
        max_size=4,
    )
)
def test_signed_headers_pass_only_if_nothing_is_different(changes: dict[str, Any]) -> None:
    header = {**HEADER, **changes}
    told = verdict(FORGE.sign(json.dumps(header).encode(), CLAIMS))
    assert told is TokenInvalid or header == HEADER


@pytest.mark.parametrize(
    ("exp", "told"), [(NOW - 1, TokenExpired), (NOW, TokenExpired), (NOW + 1, Claims)], ids=["past", "now", "next"]
)
def test_a_token_has_expired_when_its_second_begins(exp: int, told: type) -> None:
    found = verdict(FORGE.changed(PAIR.access_token, exp=exp))
    assert (found if isinstance(found, type) else type(found)) is told


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize(("ahead", "told"), [(5, Claims), (6, TokenInvalid)], ids=["within", "beyond"])
def test_clocks_may_differ_by_the_skew(name: str, ahead: int, told: type) -> None:
    found = verdict(FORGE.changed(PAIR.access_token, {}, **{name: NOW + ahead}))
    assert (found if isinstance(found, type) else type(found)) is told


def test_a_token_seen_before_expires_all_the_same() -> None:
    now = [float(NOW)]
    gate = Tokens(SETTINGS, RING, clock=lambda: now[0])
    token = gate.issue(user_id=1, session_id=SESSION, generation=0, scopes=[], session_lifetime=60).access_token
    gate.verify(token)
    now[0] += 59.9
    gate.verify(token)
    now[0] += 0.1
    for _ in range(2):
        with pytest.raises(TokenExpired):
            gate.verify(token)
    now[0] -= 120  # a clock set back
    with pytest.raises(TokenInvalid):
        gate.verify(token)


def test_a_token_seen_before_falls_with_its_key() -> None:
    gate = Tokens(SETTINGS, RING, clock=lambda: NOW)
    gate.verify(PAIR.access_token)
    gate.use(KeyRing.generate())
    with pytest.raises(TokenInvalid):
        gate.verify(PAIR.access_token)


def test_more_tokens_than_are_remembered_all_pass() -> None:
    gate = Tokens(SETTINGS, KeyRing.generate("HS256"), clock=lambda: NOW)
    issued = [
        gate.issue(user_id=1, session_id=SESSION, generation=0, scopes=[], session_lifetime=60).access_token
        for _ in range(9000)
    ]
    for token in (*issued, *issued[:100]):
        gate.verify(token)


def test_a_bounded_number_of_tokens_is_remembered_and_those_in_use_stay() -> None:
    remembered, claims = _Verified(), TOKENS.verify(PAIR.access_token)
    remembered.add(b"in use", claims)
    for number in range(20_000):
        remembered.add(number.to_bytes(8), claims)
        if number % 1000 == 0:
            assert remembered.get(b"in use") is claims
    assert remembered.get((0).to_bytes(8)) is None
    assert sum(remembered.get(number.to_bytes(8)) is not None for number in range(20_000)) <= 8192


@pytest.fixture(scope="module")
async def guarded(keys_file: Path) -> AsyncIterator[Instance]:
    async with temporary_database() as url:
        settings_ = load(Settings, _env_file=None, database_url=url, keys_file=keys_file, hash_workers=1)
        async with running(settings_) as instance:
            yield instance


@settings(quick, max_examples=300)
@given(st.sampled_from([b"", b"Bearer", b"Bearer ", b"bearer  ", b"Basic "]), st.binary(max_size=300))
async def test_any_authorization_header_gets_the_guards_answer(guarded: Instance, scheme: bytes, rest: bytes) -> None:
    response = await guarded.client.get("/api/auth/me", headers=[(b"Authorization", scheme + rest)])
    assert (response.status_code, response.json()) == (
        401,
        {"code": 40001, "message": "Unauthenticated.", "data": None},
    )
    assert response.headers["www-authenticate"].startswith('Bearer realm="wutang-auth"')
