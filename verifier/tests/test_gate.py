"""The verifier refuses what the service's own gate refuses: one table of hostile tokens is shown to both."""

import json
import string
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.publishing import SETTINGS, Publisher, publishing
from support.tampering import ACCESS_ONLY, MALFORMED, Genuine, Kind, stranger
from support.tokens import Forge, claims_of, header_of
from wutang_auth.errors import TokenExpired, TokenInvalid
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import Algorithm, KeyRing
from wutang_auth_verifier import ExpiredToken, InvalidToken, VerificationError, Verifier
from wutang_auth_verifier.gate import Gate

RING = KeyRing.generate()
OWN = Tokens(SETTINGS, RING)
GATE = Gate(RING.jwks(), "wutang-auth", "wutang")
FORGE = Forge(RING.active)
TOKEN = Publisher(RING).issue(scopes=("a",))


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Publisher, Verifier]]:
    """One verifier for all of the table: a refusal changes nothing, and each test looks."""
    with (
        pytest.MonkeyPatch.context() as patch,
        publishing(Publisher(RING)) as publisher,
    ):
        patch.setenv("no_proxy", "127.0.0.1")
        with Verifier(publisher.base_url, issuer="wutang-auth", audience="wutang") as verifier:
            yield publisher, verifier


def as_sent(token: str | bytes) -> str:
    return token.decode("latin-1") if isinstance(token, bytes) else token


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_token_is_refused(guarded: tuple[Publisher, Verifier], name: str, kind: Kind) -> None:
    publisher, verifier = guarded
    access, refresh = publisher.pair(1, uuid4())
    genuine = Genuine(kind, access if kind == "access" else refresh, FORGE, RING)
    with pytest.raises(InvalidToken):
        verifier.verify(as_sent(MALFORMED[name](genuine)))
    assert verifier.verify(access).user_id == 1


@pytest.mark.parametrize("name", ACCESS_ONLY)
def test_malformed_access_token_is_refused(guarded: tuple[Publisher, Verifier], name: str) -> None:
    publisher, verifier = guarded
    access = publisher.issue()
    with pytest.raises(InvalidToken):
        verifier.verify(as_sent(ACCESS_ONLY[name](Genuine("access", access, FORGE, RING))))
    assert verifier.verify(access).user_id == 1


def test_refresh_tokens_and_tokens_in_the_clothes_of_the_other_kind_are_refused(
    guarded: tuple[Publisher, Verifier],
) -> None:
    publisher, verifier = guarded
    access, refresh = (token.split(".") for token in publisher.pair(1, uuid4()))
    for signed in (f"{refresh[0]}.{refresh[1]}", f"{refresh[0]}.{access[1]}", f"{access[0]}.{refresh[1]}"):
        with pytest.raises(InvalidToken):
            verifier.verify(f"{signed}.{FORGE.signature(signed)}")


def test_what_is_signed_and_whole_passes(guarded: tuple[Publisher, Verifier]) -> None:
    _, verifier = guarded
    header, claims = header_of(TOKEN), claims_of(TOKEN)
    for token in (
        FORGE.sign(header, claims),
        FORGE.sign(dict(reversed(header.items())), dict(reversed(claims.items()))),
        FORGE.sign(json.dumps(header, indent=2).encode(), json.dumps(claims, indent=2).encode()),
        FORGE.changed(TOKEN, groups=["a", {"b": None}], azp="wutang"),
        FORGE.changed(TOKEN, exp=2**53),
        FORGE.changed(TOKEN, iat=int(time.time()) + 1),
        FORGE.changed(TOKEN, client_id="other", scope=""),
        FORGE.changed(TOKEN, auth_time=0, amr=[]),
        FORGE.changed(TOKEN, auth_time=2**53, amr=["pwd", "x"]),
    ):
        assert verifier.verify(token).session_id == claims["sid"]


def test_an_identity_tells_what_the_token_says(guarded: tuple[Publisher, Verifier]) -> None:
    publisher, verifier = guarded
    session_id = uuid4()
    token = publisher.issue(user_id=4711, session_id=session_id, scopes=("orders:read", "orders:write"))
    for _ in range(2):
        identity = verifier.verify(token)
        assert (identity.user_id, identity.session_id) == (4711, str(session_id))
        assert identity.scopes == {"orders:read", "orders:write"}
        assert identity.expires_at.timestamp() == claims_of(token)["exp"]
        assert identity.claims == claims_of(token)
    with pytest.raises(TypeError):
        identity.claims["sub"] = "1"  # type: ignore[index]


def test_only_a_genuine_token_is_told_that_it_has_expired(guarded: tuple[Publisher, Verifier]) -> None:
    _, verifier = guarded
    expired = FORGE.changed(TOKEN, exp=int(time.time()) - 1)
    with pytest.raises(ExpiredToken):
        verifier.verify(expired)
    for token in (
        FORGE.changed(expired, {"typ": "JWT"}),
        FORGE.changed(expired, iss="other"),
        FORGE.changed(expired, sid="x"),
        Forge(stranger()).changed(expired),
    ):
        with pytest.raises(InvalidToken):
            verifier.verify(token)


@pytest.mark.parametrize("token", [None, 1, b"a.b.c", ["a"]])
def test_what_is_no_text_is_no_token(guarded: tuple[Publisher, Verifier], token: Any) -> None:
    with pytest.raises(InvalidToken):
        guarded[1].verify(token)


def test_a_token_seen_before_expires_all_the_same() -> None:
    exp = claims_of(TOKEN)["exp"]
    assert GATE.read(TOKEN, exp - 0.1)
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            GATE.read(TOKEN, exp)
    with pytest.raises(InvalidToken):
        GATE.read(TOKEN, exp - 7200)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_clocks_may_differ_by_five_seconds(name: str) -> None:
    token = FORGE.changed(TOKEN, {}, **{name: 1_800_000_005, "exp": 1_800_000_060})
    assert GATE.read(token, 1_800_000_000)
    with pytest.raises(InvalidToken):
        GATE.read(token, 1_799_999_999)


def test_more_tokens_than_are_remembered_all_pass_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(RING.jwks(), "wutang-auth", "wutang")
    monkeypatch.setattr("wutang_auth_verifier.gate._CACHED", 10)
    tokens = [FORGE.changed(TOKEN, jti=str(number)) for number in range(25)]
    for token in tokens + tokens:
        assert gate.read(token, time.time())
        assert len(gate._passed) <= 10
    for number in range(100):
        head = json.dumps({"kid": RING.active.kid, "alg": "ES256", "typ": "at+jwt"}) + " " * number
        with pytest.raises(InvalidToken):
            gate.read(FORGE.sign(head.encode(), claims_of(TOKEN)) + "x", time.time())
    assert len(gate._headers) <= 64


@pytest.fixture(scope="module")
def rings() -> dict[Algorithm, KeyRing]:
    """One of each kind, made once: an RSA key takes half a second."""
    algorithms: tuple[Algorithm, ...] = ("ES256", "RS256", "HS256")
    return {alg: KeyRing.generate(alg) for alg in algorithms}


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_key_verifies_its_own_algorithm_only(rings: dict[Algorithm, KeyRing], alg: Algorithm) -> None:
    keys = [ring.active if name == alg else ring.keys[1] for name, ring in rings.items()]
    ring = KeyRing(tuple(keys))
    gate = Gate(ring.jwks(), "wutang-auth", "wutang")
    token = Publisher(ring).issue()
    assert gate.read(token, time.time())
    for key in keys:
        own = Forge(key).changed(token, {"alg": key.alg, "kid": key.kid})
        if key.alg == "HS256":  # which nobody publishes
            with pytest.raises(InvalidToken):
                gate.read(own, time.time())
        else:
            assert gate.read(own, time.time())
        for other in keys:
            if other is not key:
                for members in ({"alg": other.alg, "kid": key.kid}, {"alg": key.alg, "kid": other.kid}):
                    for signer in (key, other):
                        with pytest.raises(InvalidToken):
                            gate.read(Forge(signer).changed(token, members), time.time())


def test_keys_that_are_not_ours_are_passed_over() -> None:
    shared = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "1"}
    curve = {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "alg": "ES256", "kid": "2"}
    future = {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "3"}
    others = [shared | {"alg": "HS256"}, shared, shared | {"alg": "ES256"}, curve, future]
    gate = Gate({"keys": [*others, *RING.jwks()["keys"]]}, "wutang-auth", "wutang")
    assert gate.read(TOKEN, time.time())
    assert gate._keys.keys() == {key.kid for key in RING.keys}


# -- By properties ----------------------------------------------------------------------------------------------------

quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
near = st.integers(-2, 2**54) | st.sampled_from([0, 2**31, 2**53, True, "1", "01", "wutang", str(2**63 - 1)])


def told_by(read: Any, refusals: tuple[type[Exception], ...], token: str) -> bool:
    """Whether it passes, expired or not; any other exception is the finding."""
    try:
        read(token)
    except refusals as error:
        return isinstance(error, (TokenExpired, ExpiredToken))
    return True


def assert_no_laxer(token: str) -> None:
    passes = told_by(lambda text: GATE.read(text, time.time()), (VerificationError,), token)
    assert not passes or told_by(OWN.verify, (TokenInvalid, TokenExpired), token)


@settings(quick, max_examples=600)
@given(
    st.dictionaries(st.sampled_from([*sorted(claims_of(TOKEN)), "auth_time", "amr"]), json_values | near, max_size=3)
)
def test_no_claims_pass_that_the_service_refuses(changes: dict[str, Any]) -> None:
    assert_no_laxer(FORGE.sign(header_of(TOKEN), json.dumps({**claims_of(TOKEN), **changes}).encode()))


@quick
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]),
        json_values | st.sampled_from(["none", "HS256", "rt+jwt", "JWT", RING.keys[1].kid]),
        max_size=3,
    )
)
def test_no_header_passes_that_the_service_refuses(changes: dict[str, Any]) -> None:
    assert_no_laxer(FORGE.sign(json.dumps({**header_of(TOKEN), **changes}).encode(), claims_of(TOKEN)))


@quick
@given(st.text() | st.binary().map(lambda value: value.decode("latin-1")))
def test_noise_is_refused(noise: str) -> None:
    with pytest.raises(InvalidToken):
        GATE.read(noise, time.time())


def test_no_character_can_be_changed() -> None:
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for place, character in enumerate(TOKEN):
        at = alphabet.find(character)
        others = {alphabet[at ^ bit] for bit in (1, 4, 32)} if at >= 0 else set()
        for other in (others | set(".=+ \né")) - {character}:
            with pytest.raises(InvalidToken):
                GATE.read(TOKEN[:place] + other + TOKEN[place + 1 :], time.time())
