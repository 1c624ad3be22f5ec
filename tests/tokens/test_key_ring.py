"""The key ring: its file, what it refuses, and a service that follows it."""

import asyncio
import json
import logging
import re
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joserfc.jwk
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support.commands import run
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tampering import spare_bits
from support.tokens import bearer, decode_segment, header_of
from support.users import add_and_log_in, log_in, token_pair
from wutang_auth.service.maintenance import Intervals
from wutang_auth.tokens import base64url, key_file
from wutang_auth.tokens.key_ring import Algorithm, KeyRing, KeyRingError, thumbprint

ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "RS256", "HS256")


RINGS = {alg: KeyRing.generate(alg) for alg in ALGORITHMS}


def document(alg: Algorithm = "ES256") -> dict[str, Any]:
    """The file of a good ring, to be spoilt."""
    keys = [
        {**key.private_jwk(), "use": "sig", "state": key.state, "created_at": "2026-11-23T08:00:00Z"}
        for key in RINGS[alg].keys
    ]
    return {"keys": keys}


def changed(alg: Algorithm = "ES256", /, **members: Any) -> bytes:
    """The same with other members in the first key; `...` leaves one out."""
    ring = document(alg)
    ring["keys"][0] = {name: value for name, value in {**ring["keys"][0], **members}.items() if value is not ...}
    return json.dumps(ring).encode()


def with_own_kid(alg: Algorithm, /, **members: Any) -> bytes:
    """Likewise, with the kid that belongs to those members."""
    first = {**document(alg)["keys"][0], **members}
    return changed(alg, **members, kid=thumbprint(first, first["kty"]))


def integer(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()


def short_rsa() -> bytes:
    return with_own_kid("RS256", **rsa_members(1024))


def rsa_members(bits: int) -> dict[str, str]:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=bits).private_numbers()
    public = numbers.public_numbers
    parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return {name: integer(value) for name, value in {"n": public.n, "e": public.e, **parts}.items()}


def of_another_curve() -> bytes:
    numbers = ec.generate_private_key(ec.SECP384R1()).private_numbers()
    point = numbers.public_numbers
    members = {"crv": "P-384", "x": integer(point.x), "y": integer(point.y), "d": integer(numbers.private_value)}
    return with_own_kid("ES256", **members)


def states(*wanted: str) -> bytes:
    ring = document()
    for key, state in zip(ring["keys"], wanted, strict=True):
        key["state"] = state
    return json.dumps(ring).encode()


def twice() -> bytes:
    ring = document()
    return json.dumps({"keys": [ring["keys"][0], {**ring["keys"][0], "state": "retired"}]}).encode()


OTHER = KeyRing.generate().active.members


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not a JSON document"),
    "not JSON": (lambda: b"-----BEGIN EC PRIVATE KEY-----", "not a JSON document"),
    "not UTF-8": (lambda: b"\xff\xfe" + json.dumps(document()).encode(), "not a JSON document"),
    "a name twice": (lambda: changed().replace(b'"alg"', b'"alg": "none", "alg"', 1), "not a JSON document"),
    "deeply nested": (lambda: b"[" * 10_000, "not a JSON document"),
    "an array": (lambda: b"[]", "not a JWK Set"),
    "no keys": (lambda: b"{}", "not a JWK Set"),
    "keys no array": (lambda: b'{"keys": {}}', "not a JWK Set"),
    "no key at all": (lambda: b'{"keys": []}', "exactly one key must be active, 0 are"),
    "a key no object": (lambda: b'{"keys": ["k"]}', "key 1 is not an object"),
    "none active": (lambda: states("retired", "next"), "exactly one key must be active, 0 are"),
    "two active": (lambda: states("active", "active"), "exactly one key must be active, 2 are"),
    "an unknown state": (lambda: states("active", "primary"), "key 2: state must be one of"),
    "no state": (lambda: changed(state=...), "key 1: state must be one of"),
    "a key twice": (twice, "is there twice"),
    "no kid": (lambda: changed(kid=...), "key 1: kid must be the key's RFC 7638 thumbprint"),
    "another kid": (lambda: changed(kid="2026-11"), "key 1: kid must be the key's RFC 7638 thumbprint"),
    "a kid that is no text": (lambda: changed(kid=["x"]), "key 1: kid must be"),
    "no alg": (lambda: changed(alg=...), "key 1: alg must be one of"),
    "alg none": (lambda: changed(alg="none"), "key 1: alg must be one of"),
    "alg ES384": (lambda: changed(alg="ES384"), "key 1: alg must be one of"),
    "alg EdDSA": (lambda: changed(alg="EdDSA"), "key 1: alg must be one of"),
    "alg an array": (lambda: changed(alg=["ES256"]), "key 1: alg must be one of"),
    "alg of another kty": (lambda: changed(alg="RS256"), "key 1: kty must be RSA for RS256"),
    "alg HS256 for an EC key": (lambda: changed(alg="HS256"), "key 1: kty must be oct for HS256"),
    "kty of another alg": (lambda: changed(kty="RSA"), "key 1: kty must be EC for ES256"),
    "use enc": (lambda: changed(use="enc"), "key 1: use must be sig"),
    "a public key only": (lambda: changed(d=...), "key 1: d is missing"),
    "a public RSA key only": (lambda: changed("RS256", p=...), "key 1: p is missing"),
    "a member no text": (lambda: changed(x=1), "key 1: x is missing"),
    "another curve": (of_another_curve, "key 1: crv must be P-256 for ES256"),
    "a curve that is named otherwise": (lambda: with_own_kid("ES256", crv="secp256r1"), "key 1: crv must be P-256"),
    "private of another key": (lambda: changed(d=OTHER["d"]), "key 1: its public and private members do not belong"),
    "public of another key": (
        lambda: with_own_kid("ES256", x=OTHER["x"], y=OTHER["y"]),
        "key 1: its public and private members do not belong",
    ),
    "private zero": (lambda: changed(d="A" * 43), "key 1: not a key of P-256"),
    "private too large": (lambda: changed(d="_" * 42 + "8"), "key 1: not a key of P-256"),
    "a member longer than it is": (lambda: with_own_kid("ES256", x="AA" + OTHER["x"]), "key 1: its members must be"),
    "a member without its zeros": (lambda: with_own_kid("ES256", d="AQ"), "key 1: its members must have 32 bytes"),
    "a member of another spelling": (
        lambda: with_own_kid("ES256", x=spare_bits(document()["keys"][0]["x"])), "key 1: its members must be base64url",
    ),
    "not base64url": (lambda: changed(d="a+b/c="), "key 1: its members must be base64url"),
    "a length that base64 cannot have": (lambda: changed(d="A"), "key 1: "),
    "RSA of 1024 bits": (short_rsa, "key 1: an RSA key must have at least 2048 bits"),
    "RSA of 8192 bits": (lambda: with_own_kid("RS256", n=integer(2**8191 + 1)), "must have at most 4096 bits"),
    "RSA members mixed": (
        lambda: changed("RS256", d=RINGS["RS256"].keys[1].members["d"]),
        "key 1: its RSA members do not belong together",
    ),
    "RSA with e 1": (lambda: with_own_kid("RS256", e="AQ"), "key 1: its RSA members do not belong together"),
    "RSA with e 0": (lambda: with_own_kid("RS256", e="AA"), "key 1: its RSA members do not belong together"),
    "a short secret": (lambda: with_own_kid("HS256", k="c2VjcmV0"), "key 1: an HMAC secret must have at least 32"),
    "a secret of 31 bytes": (lambda: with_own_kid("HS256", k=integer(2**247)), "must have at least 32 bytes"),
    "no secret": (lambda: changed("HS256", k=""), "key 1: its members must be base64url"),
    "a moment that is none": (lambda: changed(created_at="yesterday"), "key 1: created_at must be an RFC 3339 time"),
    "a moment that is a number": (lambda: changed(created_at=1.5), "key 1: created_at must be an RFC 3339 time"),
    "a second key that is weak": (
        lambda: json.dumps({"keys": [*document()["keys"], json.loads(short_rsa())["keys"][0]]}).encode(),
        "key 3: an RSA key must have at least 2048 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_ring_is_refused_in_one_line_without_key_material(name: str, tmp_path: Path) -> None:
    make, reason = REFUSED[name]
    path = tmp_path / "keys.json"
    path.write_bytes(make())
    path.chmod(0o600)
    with pytest.raises(KeyRingError) as refused:
        key_file.load(path)
    said = str(refused.value)
    assert said.startswith(f"the key ring {path}: ")
    assert reason in said
    assert "\n" not in said
    for ring in RINGS.values():
        for key in ring.keys:
            for member in ("d", "k", "p", "q"):
                assert key.members.get(member, "absent") not in said
    assert refused.value.__suppress_context__


ENCRYPTING = KeyRing.generate().with_encryption()


def encryption(**members: Any) -> bytes:
    """The file of a good ring with keys that encrypt, with other members in the first of these."""
    ring = json.loads(saved(ENCRYPTING))
    first = next(key for key in ring["keys"] if key["use"] == "enc")
    first |= members
    return json.dumps(ring).encode()


def saved(ring: KeyRing) -> str:
    """The text of a ring's file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "keys.json"
        key_file.save(ring, path)
        return path.read_text()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"use": "sig"}, "key 3: use must be enc"),
        ({"alg": "HS256"}, "key 3: use must be sig"),
        ({"alg": "A128GCM"}, "key 3: alg must be one of ES256, RS256, HS256, A256GCM"),
        ({"kty": "EC"}, "key 3: kty must be oct for A256GCM"),
        ({"k": "c2VjcmV0"}, "key 3: an encryption key must have 32 bytes"),
        ({"k": "a+b/c="}, "key 3: its members must be base64url"),
        ({"k": 1}, "key 3: k is missing"),
        ({"kid": "mine"}, "key 3: kid must be the key's RFC 7638 thumbprint"),
        ({"state": "next"}, "exactly one encryption key must be active, 0 are"),
        ({"state": "first"}, "key 3: state must be one of"),
        ({"created_at": "yesterday"}, "key 3: created_at must be an RFC 3339 time"),
    ],
)
def test_a_bad_key_that_encrypts_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(KeyRingError) as refused:
        key_file.parse(encryption(**members))
    assert reason in str(refused.value)
    for key in ENCRYPTING.encryption:
        assert base64url.encode(key.secret) not in str(refused.value)


def test_keys_that_encrypt_are_read_back_and_never_published() -> None:
    assert key_file.parse(saved(ENCRYPTING).encode()) == ENCRYPTING
    assert [key.state for key in ENCRYPTING.encryption] == ["active", "next"]
    assert {key["use"] for key in ENCRYPTING.jwks()["keys"]} == {"sig"}
    assert len(ENCRYPTING.jwks()["keys"]) == 2
    for key in ENCRYPTING.encryption:
        assert base64url.encode(key.secret) not in json.dumps(ENCRYPTING.jwks())
        assert str(key.secret) not in repr(ENCRYPTING)


def test_keys_that_encrypt_survive_what_is_done_to_those_that_sign() -> None:
    now = datetime.now(UTC)
    rotated = ENCRYPTING.rotated(now, force=True)
    retired = rotated.with_retired(rotated.keys[0].kid, now)
    dropped = retired.without(rotated.keys[0].kid, now, longest_ttl=0, force=True)
    assert dropped.encryption == rotated.encryption == ENCRYPTING.encryption


def test_keys_that_encrypt_are_rotated_and_dropped_by_themselves() -> None:
    now = datetime.now(UTC)
    with pytest.raises(KeyRingError, match="wait 5 s, or --force"):
        ENCRYPTING.with_rotated_encryption(ENCRYPTING.encryption[1].created_at)
    rotated = ENCRYPTING.with_rotated_encryption(now, force=True)
    first, second = ENCRYPTING.encryption
    assert [(key.kid, key.state) for key in rotated.encryption[:2]] == [(first.kid, "retired"), (second.kid, "active")]
    assert rotated.encrypting is rotated.encryption[1]
    assert rotated.keys == ENCRYPTING.keys
    assert first.kid not in {key.kid for key in rotated.without_encryption(first.kid).encryption}
    for ring, kid in ((rotated, second.kid), (rotated, rotated.encryption[2].kid), (rotated, "unknown")):
        with pytest.raises(KeyRingError):
            ring.without_encryption(kid)
    with pytest.raises(KeyRingError, match="there is an encryption key already"):
        ENCRYPTING.with_encryption()
    with pytest.raises(KeyRingError, match="keys generate --encryption"):
        KeyRing.generate().with_rotated_encryption(now)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_generated_ring_is_read_back(alg: Algorithm, tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "keys.json"
    key_file.save(RINGS[alg], path)
    assert key_file.load(path) == RINGS[alg]
    assert [key.state for key in RINGS[alg].keys] == ["active", "next"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_good_documents_are_accepted(alg: Algorithm) -> None:
    """The table above refuses for what it spoils."""
    assert key_file.parse(json.dumps(document(alg)).encode()).active.kid == RINGS[alg].active.kid
    key_file.parse(changed(alg, use=..., created_at=..., note="ours"))
    key_file.parse(changed(alg, created_at="2026-11-23T16:00:00.5+08:00"))


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_kid_is_the_thumbprint_that_others_compute(alg: Algorithm) -> None:
    for key in RINGS[alg].keys:
        public: Any = key.public_jwk()
        assert joserfc.jwk.import_key(public).thumbprint() == key.kid


def test_nothing_private_is_shown() -> None:
    for ring in RINGS.values():
        shown = repr(ring) + str(ring) + json.dumps(ring.jwks())
        for key in ring.keys:
            for member in ("d", "k", "p", "q", "dp", "dq", "qi"):
                assert key.members.get(member, "absent") not in shown


def test_es256_members_have_their_full_length() -> None:
    """RFC 7518 section 6.2.1.2; a quarter of one per cent of all keys begins with a zero byte."""
    for _ in range(50):
        members = KeyRing.generate().active.members
        assert {len(urlsafe_b64decode(members[name] + "=")) for name in ("x", "y", "d")} == {32}


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(KeyRingError, match=re.escape(f"wutang-auth keys generate --file {path}")):
        key_file.load(path)


def test_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRingError, match="cannot be read"):
        key_file.load(tmp_path)


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o640, False), (0o400, False), (0o644, True), (0o602, True)]
)
def test_readable_by_all_is_warned_of(
    mode: int, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    key_file.save(RINGS["ES256"], path)
    path.chmod(mode)
    key_file.load(path)
    assert [record.levelno for record in caplog.records] == ([logging.WARNING] if warned else [])
    assert not warned or f"chmod 600 {path}" in caplog.text


# -- a running service


async def test_running_service_follows_the_file(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = KeyRing.generate()
    key_file.save(first, path)
    service = await start(intervals=Intervals(key_file=0.02), keys_file=path)
    login = await add_and_log_in(service)

    second = KeyRing.generate()
    key_file.save(KeyRing((*second.keys, replace(first.active, state="retired"))), path)
    await published(service, second.active.kid)

    success(await service.client.get("/api/auth/me", headers=login.headers))
    renewed = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    assert header_of(renewed.access_token)["kid"] == second.active.kid
    success(await service.client.get("/api/auth/me", headers=renewed.headers))

    key_file.save(second, path)  # the old key is gone
    await published(service, first.active.kid, there=False)
    assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=renewed.headers))


async def published(service: Instance, kid: str, *, there: bool = True) -> None:
    """Wait for a kid to appear in the JWKS, or to disappear."""
    for _ in range(200):
        document = (await service.client.get("/.well-known/jwks.json")).json()
        if (kid in [key["kid"] for key in document["keys"]]) == there:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the service did not follow its key ring")


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b'{"keys": []}', states("active", "active"), None],
    ids=["empty", "cut off", "no key", "two active", "gone"],
)
async def test_broken_file_is_refused_loudly_and_the_old_ring_stays(
    start: Start,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    broken: bytes | None,
) -> None:
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(), path)
    service = await start(intervals=Intervals(key_file=0.02), keys_file=path)
    login = await add_and_log_in(service)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    for _ in range(100):
        if "the key ring in use stays" in caplog.text:
            break
        await asyncio.sleep(0.02)
    [refused] = [record for record in caplog.records if "stays" in record.getMessage()]
    assert refused.levelno == logging.ERROR
    success(await service.client.get("/api/auth/me", headers=login.headers))
    success(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    assert (await service.client.get("/readyz")).status_code == 200

    repaired = KeyRing.generate()
    key_file.save(repaired, path)
    await published(service, repaired.active.kid)
    assert decode_segment((await log_in(service.client)).access_token.split(".")[0])["kid"] == repaired.active.kid


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_serve_refuses_a_bad_ring_in_one_line(tmp_path: Path, environment: dict[str, str], workers: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(states("active", "active"))
    path.chmod(0o600)
    environment["WUTANG_KEYS_FILE"] = str(path)
    refused = await run(environment, "serve", "--port", "0", "--workers", workers)
    assert refused.error == f"WUTANG_KEYS_FILE: the key ring {path}: exactly one key must be active, 2 are"
