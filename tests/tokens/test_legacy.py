"""The legacy gate: what the earlier application made passes, and whatever is only nearly that does not."""

import hmac
import json
import logging
import string
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from support.legacy import HEADER, PRV, SECRET, legacy_settings, sign
from support.tokens import claims_of, encode_segment, header_of
from wutang_auth.errors import TokenExpired, TokenInvalid
from wutang_auth.settings import Settings, load
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.compact import jti_digest
from wutang_auth.tokens.key_ring import KeyRing
from wutang_auth.tokens.legacy import LegacyClaims, LegacyGate, LegacyKey, Purpose

NOW = 1_800_000_000
UNTIL = datetime.fromtimestamp(NOW + 1000, UTC)
NOTHING_SET = load(Settings, _env_file=None, database_url="postgresql://nowhere/none", keys_file=Path("none"))
SETTINGS = NOTHING_SET.model_copy(update=legacy_settings(legacy_until=UNTIL))
GATE = LegacyGate(SETTINGS, clock_skew=5, clock=lambda: NOW)
CLAIMS: dict[str, Any] = {
    "iss": "https://app.example.com/api/auth/login", "iat": NOW - 60, "exp": NOW + 3540, "nbf": NOW - 60,
    "jti": "0Rpyi4Xlidt18HaC", "sub": "1", "prv": PRV,
}  # fmt: skip
TOKEN = sign(HEADER, CLAIMS)
SIGNED = TOKEN.rpartition(".")[0]

quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def verdict(token: str, purpose: Purpose = "access") -> LegacyClaims | type[Exception]:
    """What the gate says; any other exception is the finding."""
    try:
        return GATE.verify(token, purpose)
    except (TokenInvalid, TokenExpired) as error:
        return type(error)


def changed(header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A genuine token with other values, signed again; `...` leaves a member out."""
    parts = ({**HEADER, **(header or {})}, {**CLAIMS, **claims})
    kept = [{name: value for name, value in part.items() if value is not ...} for part in parts]
    return sign(kept[0], kept[1])


def raw_claims(replaced: str, by: str) -> str:
    text = json.dumps(CLAIMS)
    assert replaced in text
    return sign(HEADER, text.replace(replaced, by, 1).encode())


def test_a_token_of_the_application_passes() -> None:
    at = datetime.fromtimestamp
    told = verdict(TOKEN)
    assert isinstance(told, LegacyClaims)
    assert told == LegacyClaims(
        1, jti_digest("0Rpyi4Xlidt18HaC"), told.session_id, at(NOW - 60, UTC), at(NOW + 3540, UTC),
        at(NOW - 60 + 1_209_600, UTC),
    )  # fmt: skip
    assert told.session_id == UUID("196d8da8-1e31-535e-ab7f-50c85a7b2c7f")


@pytest.mark.parametrize(
    "token",
    [
        changed(sub=1), changed(sub="9223372036854775807"), changed(prv=...), changed(nbf=...), changed(iss=...),
        changed(prv="87e0af1ef9fd15812fdec97153a14e0b047546aa"), changed(iss="http://127.0.0.1:9200/api/auth/refresh"),
        changed(nbf=NOW + 5), changed(iat=NOW + 5), changed(custom={"role": "admin"}), changed({"typ": ...}),
        changed(exp=NOW + 315_360_000), changed(jti="x" * 255), changed(aud="somebody"), changed(kid="in the claims"),
        raw_claims("https://app.example.com/api", "https:\\/\\/app.example.com\\/api"),
    ],
)  # fmt: skip
def test_what_versions_and_applications_differ_in_passes(token: str) -> None:
    assert isinstance(verdict(token), LegacyClaims)


NEARLY: dict[str, str] = {
    # -- the header
    "alg HS512": changed({"alg": "HS512"}), "alg in lower case": changed({"alg": "hs256"}),
    "alg none": f"{encode_segment({'typ': 'JWT', 'alg': 'none'})}.{TOKEN.split('.')[1]}.",
    "alg none, signed": changed({"alg": "none"}), "alg missing": changed({"alg": ...}),
    "alg an array": changed({"alg": ["HS256"]}), "alg null": changed({"alg": None}),
    "alg ES256": changed({"alg": "ES256"}), "typ at+jwt": changed({"typ": "at+jwt"}),
    "typ rt+jwt": changed({"typ": "rt+jwt"}), "typ in lower case": changed({"typ": "jwt"}),
    "typ null": changed({"typ": None}), "typ an array": changed({"typ": ["JWT"]}),
    "crit": changed({"crit": ["exp"]}), "crit empty": changed({"crit": []}), "enc": changed({"enc": "A128GCM"}),
    "zip": changed({"zip": "DEF"}), "cty": changed({"cty": "JWT"}), "b64": changed({"b64": True}),
    "jwk": changed({"jwk": {"kty": "oct", "k": "AAAA"}}), "x5u": changed({"x5u": "https://attacker.example"}),
    "kid": changed({"kid": "legacy"}), "kid null": changed({"kid": None}), "kid empty": changed({"kid": ""}),
    "alg twice": sign(b'{"typ":"JWT","alg":"none","alg":"HS256"}', CLAIMS),
    "header an array": sign(json.dumps([HEADER]).encode(), CLAIMS), "header null": sign(b"null", CLAIMS),
    "header in deep arrays": sign(b"[" * 300, CLAIMS),
    # -- the claims
    "iat missing": changed(iat=...), "exp missing": changed(exp=...), "jti missing": changed(jti=...),
    "sub missing": changed(sub=...), "exp null": changed(exp=None), "iat a string": changed(iat=str(NOW)),
    "exp a string": changed(exp=str(NOW + 60)), "nbf a string": changed(nbf=str(NOW)), "nbf null": changed(nbf=None),
    "iat a float": changed(iat=NOW + 0.0), "exp a float": changed(exp=NOW + 60.5), "exp true": changed(exp=True),
    "exp infinite": raw_claims(str(NOW + 3540), "1e400"), "exp NaN": raw_claims(str(NOW + 3540), "NaN"),
    "exp after all times": changed(exp=253_402_300_800), "exp negative": changed(exp=-1),
    "iat negative": changed(iat=-1),
    "iat in the future": changed(iat=NOW + 6), "nbf in the future": changed(nbf=NOW + 6),
    "a clock an hour ahead": changed(iat=NOW + 3600, nbf=NOW + 3600, exp=NOW + 7200),
    "jti a number": changed(jti=1), "jti null": changed(jti=None), "jti empty": changed(jti=""),
    "jti long": changed(jti="x" * 256), "jti a lone surrogate": changed(jti="\ud800"),
    "sub a float": changed(sub=1.0), "sub true": changed(sub=True), "sub null": changed(sub=None),
    "sub zero": changed(sub=0), "sub negative": changed(sub=-1), "sub beyond bigint": changed(sub=2**63),
    "sub text beyond bigint": changed(sub=str(2**63)), "sub empty": changed(sub=""), "sub 01": changed(sub="01"),
    "sub with a space": changed(sub="1 "), "sub in other digits": changed(sub="１"),
    "sub an e-mail": changed(sub="a@b.c"),
    "sub an array": changed(sub=["1"]), "sub twice": raw_claims('"sub": "1"', '"sub": "2", "sub": "1"'),
    "prv null": changed(prv=None), "prv in upper case": changed(prv=PRV.upper()),
    "prv of another": changed(prv="0" * 40),
    "prv empty": changed(prv=""), "prv an array": changed(prv=[PRV]), "prv an object": changed(prv={}),
    "claims an array": sign(HEADER, json.dumps([CLAIMS]).encode()), "claims null": sign(HEADER, b"null"),
    "claims empty": sign(HEADER, b"{}"), "claims not UTF-8": sign(HEADER, json.dumps(CLAIMS).encode() + b"\xff"),
    "claims with something behind": sign(HEADER, json.dumps(CLAIMS).encode() + b"{}"),
    "claims in deep arrays": raw_claims(str(NOW + 3540), "[" * 300 + "]" * 300),
    # -- the signature
    "another secret": sign(HEADER, CLAIMS, SECRET[:-1]), "no secret": sign(HEADER, CLAIMS, ""),
    "the secret in upper case": sign(HEADER, CLAIMS, SECRET.upper()),
    "no signature": SIGNED + ".", "two segments": SIGNED,
    "a trailing dot": TOKEN + ".", "padding": TOKEN + "=", "a space": TOKEN + " ", "nothing": "", "dots": "..",
    "signature cut": TOKEN[:-2], "signature longer": TOKEN + "AA",
    "signature of HS512": f"{SIGNED}.{encode_segment(hmac.digest(SECRET.encode(), SIGNED.encode(), 'sha512'))}",
}  # fmt: skip


@pytest.mark.parametrize("what", NEARLY)
def test_what_is_only_nearly_one_is_refused(what: str) -> None:
    for purpose in get_args(Purpose):
        assert verdict(NEARLY[what], purpose) is TokenInvalid


def test_a_signature_has_one_spelling() -> None:
    """The last character of 43 has two bits that decoders overlook, and jwt-auth 1.x too."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet.index(TOKEN[-1])
    assert [other for other in range(64) if verdict(TOKEN[:-1] + alphabet[other]) is not TokenInvalid] == [last]


@pytest.mark.parametrize("token", [TOKEN, *NEARLY.values()])
def test_which_gate_a_token_is_for_is_told_by_the_absence_of_kid_alone(token: str) -> None:
    try:
        header: Any = header_of(token)
    except (ValueError, RecursionError):
        header = None
    if GATE.takes(token):
        assert "kid" not in header
    elif isinstance(header, dict) and "kid" not in header:
        assert token == NEARLY["alg twice"]  # which nobody can read in one way only


@pytest.mark.parametrize(
    ("purpose", "alive", "dead"),
    [
        ("access", {"exp": NOW + 1}, {"exp": NOW}),
        ("refresh", {"iat": NOW - 1_209_599, "exp": 0}, {"iat": NOW - 1_209_600, "exp": NOW + 60}),
        ("logout", {"iat": NOW - 1_209_599, "exp": 0}, {"iat": NOW - 1_209_600, "exp": NOW}),
        ("logout", {"iat": 0, "exp": NOW + 1}, {"iat": 0, "exp": NOW}),
    ],
)
def test_each_purpose_has_its_end(purpose: Purpose, alive: dict[str, Any], dead: dict[str, Any]) -> None:
    assert isinstance(verdict(changed(nbf=..., **alive), purpose), LegacyClaims)
    assert verdict(changed(nbf=..., **dead), purpose) is TokenExpired


def test_it_is_known_until_neither_end_lies_ahead() -> None:
    for exp, end in ((NOW, NOW - 60 + 1_209_600), (NOW + 3_000_000, NOW + 3_000_000)):
        told = verdict(changed(exp=exp), "refresh")
        assert isinstance(told, LegacyClaims)
        assert told.known_until == datetime.fromtimestamp(end, UTC)


def test_the_gate_shuts_in_its_second_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    now = [NOW + 999.9]
    gate = LegacyGate(SETTINGS, clock_skew=5, clock=lambda: now[0])
    gate.verify(TOKEN)
    assert caplog.messages == []
    now[0] = NOW + 1000
    for _ in range(3):
        with pytest.raises(TokenInvalid):
            gate.verify(TOKEN)
    assert len(caplog.messages) == 1
    assert gate.takes(TOKEN)  # it is for no other gate


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
near = st.sampled_from(
    [0, 1, -1, True, "1", "01", NOW, NOW + 5, NOW + 6, NOW + 1.0, str(NOW), 2**63 - 1, 2**63, 253_402_300_799, PRV, ""]
)


@quick
@given(st.text() | st.binary().map(lambda value: value.decode("latin-1")))
def test_noise_is_refused(noise: str) -> None:
    assert verdict(noise) is TokenInvalid
    assert not GATE.takes(noise)


@quick
@given(json_values)
def test_any_signed_json_is_refused(document: Any) -> None:
    assert verdict(sign(HEADER, json.dumps(document).encode())) is TokenInvalid


@settings(quick, max_examples=600)
@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), json_values | near, max_size=3))
def test_signed_claims_pass_only_if_each_of_them_is_right(changes: dict[str, Any]) -> None:
    claims = {**CLAIMS, **changes}
    told = verdict(sign(HEADER, json.dumps(claims).encode()))
    if not is_right(claims):
        assert told is TokenInvalid
    elif claims["exp"] <= NOW:
        assert told is TokenExpired
    else:
        assert isinstance(told, LegacyClaims)
        assert (told.user_id, int(told.issued_at.timestamp())) == (int(claims["sub"]), claims["iat"])


def is_right(claims: dict[str, Any]) -> bool:
    """The contract's claims, written down once more."""

    def time(name: str, latest: int) -> bool:
        return type(claims[name]) is int and 0 <= claims[name] <= latest

    sub, jti = claims["sub"], claims["jti"]
    is_text = type(sub) is str and sub.isascii() and sub.isdigit() and not sub.startswith("0")
    return (
        all(time(name, NOW + 5) for name in ("iat", "nbf"))
        and time("exp", 253_402_300_799)
        and (is_text or type(sub) is int)
        and 0 < int(sub) < 2**63
        and (type(jti) is str and 0 < len(jti) <= 255 and not any("\ud800" <= c <= "\udfff" for c in jti))
        and claims["prv"] in (PRV, "87e0af1ef9fd15812fdec97153a14e0b047546aa")
    )


@settings(quick, max_examples=400)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "zip"]) | st.text(max_size=5),
        json_values | st.sampled_from(["none", "HS256", "HS512", "at+jwt", "JWT", "legacy"]),
        max_size=4,
    )
)
def test_signed_headers_pass_only_if_nothing_is_different(changes: dict[str, Any]) -> None:
    header = {**HEADER, **changes}
    told = verdict(sign(json.dumps(header).encode(), CLAIMS))
    assert told is TokenInvalid or header == HEADER
    assert "kid" not in header or not GATE.takes(sign(json.dumps(header).encode(), CLAIMS))


# -- the way back -----------------------------------------------------------------------------------------------------

SESSION = UUID("11111111-2222-4333-8444-555555555555")


def minting(*, mint: bool = True, key: bool = True, until: int = NOW + 86_400) -> Tokens:
    found = SETTINGS.model_copy(update={"legacy_mint": mint, "legacy_until": datetime.fromtimestamp(until, UTC)})
    return Tokens(found, KeyRing.generate(), clock=lambda: NOW, legacy_key=LegacyKey(found) if key else None)


def issued(tokens: Tokens) -> Any:
    return tokens.issue(user_id=7, session_id=SESSION, generation=3, scopes=["a"], session_lifetime=9000)


def test_an_access_token_can_be_one_that_the_application_takes_too() -> None:
    tokens = minting()
    pair = issued(tokens)
    assert header_of(pair.access_token) == {"alg": "HS256", "typ": "at+jwt", "kid": "legacy"}
    claims = claims_of(pair.access_token)
    assert "aud" not in claims
    assert (claims["prv"], claims["sub"], claims["sid"], claims["gen"]) == (PRV, "7", str(SESSION), 3)
    assert len(claims["jti"]) == 16
    assert set(claims["jti"]) <= set(string.ascii_letters + string.digits)
    there = jwt.decode(pair.access_token, SECRET, ["HS256"], options={"verify_iat": False, "verify_nbf": False})
    assert there == claims
    told = tokens.verify(pair.access_token)
    assert (told.user_id, told.generation, told.legacy_digest) == (7, 3, jti_digest(claims["jti"]))
    assert header_of(pair.refresh_token)["kid"] == tokens.ring.active.kid
    assert tokens.verify(pair.refresh_token, ("refresh",)).legacy_digest is None
    assert "legacy" not in json.dumps(tokens.ring.jwks())
    assert not GATE.takes(pair.access_token)


def test_what_was_made_so_counts_on_while_the_secret_is_set_and_no_longer() -> None:
    token = issued(minting()).access_token
    assert minting(mint=False).verify(token).session_id == SESSION
    assert header_of(issued(minting(mint=False)).access_token)["kid"] != "legacy"
    with pytest.raises(TokenInvalid):
        minting(mint=False, key=False).verify(token)


def test_the_secret_is_good_for_nothing_once_its_time_is_over() -> None:
    token = issued(minting()).access_token
    for tokens in (minting(until=NOW), minting(until=NOW - 1)):
        with pytest.raises(TokenInvalid):
            tokens.verify(token, expired_ok=("access",))


def test_no_token_is_made_so_that_would_outlive_that_time() -> None:
    assert header_of(issued(minting(until=NOW + 3_600)).access_token)["kid"] == "legacy"
    tokens = minting(until=NOW + 3_599)
    token = issued(tokens).access_token
    assert header_of(token)["kid"] == tokens.ring.active.kid
    assert tokens.verify(token).legacy_digest is None


BROKEN: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "a refresh token": lambda header, claims: sign({**header, "typ": "rt+jwt"}, claims),
    "the application's own typ": lambda header, claims: sign({**header, "typ": "JWT"}, claims),
    "our audience": lambda header, claims: sign(header, {**claims, "aud": "wutang"}),
    "the refresh token's audience": lambda header, claims: sign(header, {**claims, "aud": "wutang-auth"}),
    "no audience in words": lambda header, claims: sign(header, {**claims, "aud": None}),
    "another issuer": lambda header, claims: sign(header, {**claims, "iss": "https://app.example.com"}),
    "no session": lambda header, claims: sign(header, {name: claims[name] for name in claims if name != "sid"}),
    "no generation": lambda header, claims: sign(header, {name: claims[name] for name in claims if name != "gen"}),
    "another secret": lambda header, claims: sign(header, claims, SECRET[::-1]),
    "alg HS512": lambda header, claims: sign({**header, "alg": "HS512"}, claims),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_the_secret_is_good_for_nothing_else_at_the_main_gate(what: str) -> None:
    tokens = minting()
    token = issued(tokens).access_token
    with pytest.raises(TokenInvalid):
        tokens.verify(BROKEN[what](header_of(token), claims_of(token)), ("access", "refresh"))


def test_the_secret_is_in_no_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = repr((SETTINGS, LegacyKey(SETTINGS), GATE, issued(minting()), vars(GATE)))
    assert SECRET not in shown + caplog.text
    assert SecretStr(SECRET) == SETTINGS.legacy_secret
