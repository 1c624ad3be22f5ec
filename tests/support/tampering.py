"""Every way to break a token, by its name (RFC 8725, and attacks that have names of their own)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.tokens import Forge, decode_segment, encode_segment
from wutang_auth.tokens.key_ring import KeyRing, SigningKey

Kind = Literal["access", "refresh"]
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


@dataclass
class Genuine:
    """A token that passes, in its parts, and the means to put them together in another way."""

    kind: Kind
    token: str
    forge: Forge
    ring: KeyRing

    @property
    def segments(self) -> list[str]:
        return self.token.split(".")

    @property
    def header(self) -> dict[str, Any]:
        return decode_segment(self.segments[0])

    @property
    def claims(self) -> dict[str, Any]:
        return decode_segment(self.segments[1])

    @property
    def signed(self) -> str:
        return self.token.rpartition(".")[0]

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        key: Any = jwt.PyJWK.from_dict(self.ring.active.public_jwk() or {}).key
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key

    def with_header(self, **members: Any) -> str:
        return self.forge.changed(self.token, members)

    def with_claims(self, **members: Any) -> str:
        return self.forge.changed(self.token, {}, **members)

    def with_raw_header(self, header: bytes) -> str:
        return self.forge.sign(header, self.claims)

    def with_raw_claims(self, claims: bytes) -> str:
        return self.forge.sign(self.header, claims)

    def with_signature(self, signature: bytes) -> str:
        return f"{self.signed}.{encode_segment(signature)}"

    def with_number(self, name: str, literal: str) -> str:
        """A claim with this literal, which Python's json would not write."""
        text = json.dumps({**self.claims, name: "@"}).replace('"@"', literal)
        return self.with_raw_claims(text.encode())

    def signed_again(self, header: str, claims: str) -> str:
        """These segments, canonical or not, signed as they stand."""
        return f"{header}.{claims}.{self.forge.signature(f'{header}.{claims}')}"

    def as_hmac(self, secret: bytes, **members: Any) -> str:
        signed = f"{encode_segment({**self.header, 'alg': 'HS256', **members})}.{self.segments[1]}"
        return f"{signed}.{encode_segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    def public_pem(self) -> bytes:
        return self.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def public_der(self) -> bytes:
        return self.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def public_point(self) -> bytes:
        return self.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def numbers(self) -> tuple[int, int]:
        """The r and s of the signature."""
        raw = base64.urlsafe_b64decode(self.segments[2] + "==")
        return int.from_bytes(raw[:32]), int.from_bytes(raw[32:])

    def with_numbers(self, r: int, s: int) -> str:
        return self.with_signature(r.to_bytes(32) + s.to_bytes(32))


Break = Callable[[Genuine], str | bytes]


def spare_bits(segment: str) -> str:
    """The same bytes in another spelling: with the bits set that the last character does not need."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]
    padding = "=" * (-len(segment) % 4)
    assert base64.urlsafe_b64decode(other + padding) == base64.urlsafe_b64decode(segment + padding)
    return other


def ragged(document: dict[str, Any]) -> str:
    """A segment whose last character has spare bits."""
    text = json.dumps(document).encode()
    while len(text) % 3 == 0:
        text += b" "
    return encode_segment(text)


def standard_alphabet(genuine: Genuine) -> str:
    """The token with the alphabet of plain base64, in a signature that shows the difference."""
    while True:
        signature = genuine.forge.signature(genuine.signed)
        if {"-", "_"} & set(signature):
            return f"{genuine.signed}.{signature.replace('-', '+').replace('_', '/')}"


def stranger() -> SigningKey:
    return KeyRing.generate().active


def embedded_key(genuine: Genuine, *, kid: bool) -> str:
    """Signed by an own key that the header brings along (CVE-2018-0114)."""
    own = stranger()
    members: dict[str, Any] = {"jwk": own.public_jwk()} | ({"kid": own.kid} if kid else {})
    return Forge(own).changed(genuine.token, members)


def deep(opening: str, depth: int) -> bytes:
    return (opening * depth).encode()


LONG = "A" * 100_000


def claim(name: str, value: Any) -> Break:
    return lambda genuine: genuine.with_claims(**{name: value})


def claim_as(name: str, change: Callable[[Any], Any]) -> Break:
    return lambda genuine: genuine.with_claims(**{name: change(genuine.claims[name])})


def number(name: str, literal: str) -> Break:
    return lambda genuine: genuine.with_number(name, literal)


def _claims_of_wrong_types() -> Iterator[tuple[str, Break]]:
    for name in ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid", "gen"):
        for what, value in WRONG.items():
            yield f"{name} {what}", claim(name, value)
        yield f"{name} an array of itself", claim_as(name, lambda value: [value])
    for name in ("iat", "nbf", "exp", "gen"):
        yield f"{name} a string", claim_as(name, str)
        yield f"{name} a float", claim_as(name, float)
        yield f"{name} negative", claim(name, -1)
        yield f"{name} infinite", number(name, "1e400")
        yield f"{name} huge", number(name, "9" * 40)
        yield f"{name} of too many digits", number(name, "9" * 2000)
    for name in ("iss", "aud", "sub", "sid", "iat", "nbf", "exp", "gen"):
        yield f"{name} empty", claim(name, "")
    for name in ("iss", "aud", "sub", "jti", "sid"):
        yield f"{name} a number", claim(name, 1)
    for sub in (
        "0", "-1", "+1", "01", " 1", "1 ", "1\n", "1.0", "1e0", "0x1", "1_0", "１", "١", "²", "1\x00", "ada",
        str(2**63), str(2**64 + 1), "9" * 19, "9" * 100, "ada@wutang.example", "1 OR 1=1", "\ud800",
    ):  # fmt: skip
        yield f"sub {sub!a}", claim("sub", sub)


def _unsigned() -> Iterator[tuple[str, Break]]:
    def unsigned(alg: str) -> Break:
        return lambda genuine: f"{encode_segment({**genuine.header, 'alg': alg})}.{genuine.segments[1]}."

    for alg in ("none", "None", "NONE", "nOnE", "none ", "", "null"):
        yield f"alg {alg!r} and no signature", unsigned(alg)


WRONG: dict[str, Any] = {"missing": ..., "null": None, "an array": ["x"], "an object": {}, "true": True, "false": False}
MALFORMED: dict[str, Break] = {
    # -- the header, signed with the real key
    "crit of an unknown extension": lambda g: g.with_header(crit=["exp"]),
    "crit and its extension": lambda g: g.with_header(crit=["wutang"], wutang=1),
    "crit empty": lambda g: g.with_header(crit=[]),
    "crit null": lambda g: g.with_header(crit=None),
    "b64 false with crit": lambda g: g.with_header(b64=False, crit=["b64"]),
    "b64 false without crit": lambda g: g.with_header(b64=False),
    "b64 true": lambda g: g.with_header(b64=True),
    "zip": lambda g: g.with_header(zip="DEF"),
    "cty": lambda g: g.with_header(cty="JWT"),
    "enc": lambda g: g.with_header(enc="A128GCM"),
    "any other member": lambda g: g.with_header(exp=2**31),
    "typ missing": lambda g: g.with_header(typ=...),
    "typ JWT": lambda g: g.with_header(typ="JWT"),
    "typ null": lambda g: g.with_header(typ=None),
    "typ empty": lambda g: g.with_header(typ=""),
    "typ a number": lambda g: g.with_header(typ=1),
    "typ an array": lambda g: g.with_header(typ=[g.header["typ"]]),
    "typ an object": lambda g: g.with_header(typ={}),
    "typ of the other kind": lambda g: g.with_header(typ={"access": "rt+jwt", "refresh": "at+jwt"}[g.kind]),
    "typ of another JWT": lambda g: g.with_header(typ="secevent+jwt"),
    "typ with a space": lambda g: g.with_header(typ=g.header["typ"] + " "),
    "alg missing": lambda g: g.with_header(alg=...),
    "alg null": lambda g: g.with_header(alg=None),
    "alg empty": lambda g: g.with_header(alg=""),
    "alg an array": lambda g: g.with_header(alg=["ES256"]),
    "alg a number": lambda g: g.with_header(alg=256),
    "alg true": lambda g: g.with_header(alg=True),
    "alg in lower case": lambda g: g.with_header(alg="es256"),
    "alg ES384": lambda g: g.with_header(alg="ES384"),
    "alg ES256K": lambda g: g.with_header(alg="ES256K"),
    "alg RS256": lambda g: g.with_header(alg="RS256"),
    "alg HS256 over an ECDSA signature": lambda g: g.with_header(alg="HS256"),
    "alg none over a real signature": lambda g: g.with_header(alg="none"),
    "kid missing": lambda g: g.with_header(kid=...),
    "kid null": lambda g: g.with_header(kid=None),
    "kid empty": lambda g: g.with_header(kid=""),
    "kid a number": lambda g: g.with_header(kid=0),
    "kid an array": lambda g: g.with_header(kid=[g.header["kid"]]),
    "kid an object": lambda g: g.with_header(kid={"kid": g.header["kid"]}),
    "kid unknown": lambda g: g.with_header(kid=stranger().kid),
    "kid of another key of the ring": lambda g: g.with_header(kid=g.ring.keys[1].kid),
    "kid in upper case": lambda g: g.with_header(kid=g.header["kid"].upper()),
    "kid a path": lambda g: g.with_header(kid="../../../../dev/null"),
    "kid a path in the directory": lambda g: g.with_header(kid="./keys.json"),
    "kid SQL": lambda g: g.with_header(kid="x' UNION SELECT 'secret' --"),
    "kid a command": lambda g: g.with_header(kid="|id"),
    "kid a template": lambda g: g.with_header(kid="${jndi:ldap://127.0.0.1/a}"),
    "kid with NUL": lambda g: g.with_header(kid=g.header["kid"] + "\x00"),
    "kid with a lone surrogate": lambda g: g.with_header(kid="\ud800"),
    "kid long": lambda g: g.with_header(kid="k" * 4000),
    "jku": lambda g: g.with_header(jku="https://attacker.example/jwks.json"),
    "jku without kid": lambda g: g.with_header(kid=..., jku="http://169.254.169.254/latest/meta-data/"),
    "x5u": lambda g: g.with_header(x5u="https://attacker.example/chain.pem"),
    "x5c": lambda g: g.with_header(x5c=["MIIB"]),
    "x5t": lambda g: g.with_header(x5t="AAAA"),
    "jwk of the real key": lambda g: g.with_header(jwk=g.ring.active.public_jwk()),
    "header with a name twice": lambda g: g.with_raw_header(
        json.dumps(g.header).replace("{", '{"alg": "none", ', 1).encode()
    ),
    "header with the same member twice": lambda g: g.with_raw_header(
        json.dumps(g.header).replace("{", '{"alg": "ES256", ', 1).encode()
    ),
    "header with an escaped name twice": lambda g: g.with_raw_header(
        json.dumps(g.header).replace("{", '{"\\u0061lg": "ES256", ', 1).encode()
    ),
    "header an array": lambda g: g.with_raw_header(json.dumps([g.header]).encode()),
    "header a string": lambda g: g.with_raw_header(b'"ES256"'),
    "header a number": lambda g: g.with_raw_header(b"12"),
    "header null": lambda g: g.with_raw_header(b"null"),
    "header an empty object": lambda g: g.with_raw_header(b"{}"),
    "header not JSON": lambda g: g.with_raw_header(b"{'alg': 'ES256'}"),
    "header with a byte order mark": lambda g: g.with_raw_header(b"\xef\xbb\xbf" + json.dumps(g.header).encode()),
    "header in UTF-16": lambda g: g.with_raw_header(json.dumps(g.header).encode("utf-16")),
    "header not UTF-8": lambda g: g.with_raw_header(json.dumps(g.header).encode()[:-1] + b', "x": "\xff"}'),
    "header with something behind it": lambda g: g.with_raw_header(json.dumps(g.header).encode() + b"{}"),
    "header with NaN": lambda g: g.with_raw_header(json.dumps(g.header).encode()[:-1] + b', "x": NaN}'),
    "header in small nests": lambda g: g.with_raw_header(deep('{"alg":', 50)),
    "header in deep arrays": lambda g: g.with_raw_header(deep("[", 1500)),
    "header in deep objects": lambda g: g.with_raw_header(deep('{"a":', 1500)),
    # -- the claims, signed with the real key
    "claims with a name twice": lambda g: g.with_raw_claims(
        json.dumps(g.claims).replace("{", '{"sub": "1", ', 1).encode()
    ),
    "claims with the same member twice": lambda g: g.with_raw_claims(
        json.dumps(g.claims).replace("{", '{"gen": 0, ', 1).encode()
    ),
    "claims with a name twice deep inside": lambda g: g.with_raw_claims(
        json.dumps(g.claims).replace("{", '{"x": [{"a": 1, "a": 1}], ', 1).encode()
    ),
    "claims an array": lambda g: g.with_raw_claims(json.dumps([g.claims]).encode()),
    "claims a string": lambda g: g.with_raw_claims(json.dumps(json.dumps(g.claims)).encode()),
    "claims null": lambda g: g.with_raw_claims(b"null"),
    "claims an empty object": lambda g: g.with_raw_claims(b"{}"),
    "claims not JSON": lambda g: g.with_raw_claims(b"sub=1"),
    "claims with a byte order mark": lambda g: g.with_raw_claims(b"\xef\xbb\xbf" + json.dumps(g.claims).encode()),
    "claims in UTF-16": lambda g: g.with_raw_claims(json.dumps(g.claims).encode("utf-16")),
    "claims not UTF-8": lambda g: g.with_raw_claims(json.dumps(g.claims).encode()[:-1] + b', "x": "\xff"}'),
    "claims with something behind them": lambda g: g.with_raw_claims(json.dumps(g.claims).encode() + b" 1"),
    "claims with NaN": lambda g: g.with_number("x", "NaN"),
    "claims with Infinity": lambda g: g.with_number("x", "-Infinity"),
    "claims in deep arrays": lambda g: g.with_number("x", "[" * 1000 + "]" * 1000),
    "claims too large": lambda g: g.with_claims(x="x" * 8000),
    "a nested token": lambda g: g.with_raw_claims(g.token.encode()),
    **dict(_claims_of_wrong_types()),
    "exp minus zero as a float": lambda g: g.with_number("exp", "-0.0"),
    "exp in an exponent": lambda g: g.with_number("exp", "1e12"),
    "iat in the future": lambda g: g.with_claims(iat=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "nbf in the future": lambda g: g.with_claims(nbf=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "iss of another": lambda g: g.with_claims(iss="https://attacker.example"),
    "iss with a space": lambda g: g.with_claims(iss=g.claims["iss"] + " "),
    "iss in upper case": lambda g: g.with_claims(iss=g.claims["iss"].upper()),
    "iss a prefix": lambda g: g.with_claims(iss=g.claims["iss"][:-1]),
    "aud of another": lambda g: g.with_claims(aud="https://attacker.example"),
    "aud of the other kind": lambda g: g.with_claims(aud={"access": "wutang-auth", "refresh": "wutang"}[g.kind]),
    "aud of both": lambda g: g.with_claims(aud=["wutang", "wutang-auth"]),
    "aud with a space": lambda g: g.with_claims(aud=g.claims["aud"] + " "),
    "sid in upper case": lambda g: g.with_claims(sid="ABCDEF00-0000-4000-8000-000000000000"),
    "sid in braces": lambda g: g.with_claims(sid=f"{{{g.claims['sid']}}}"),
    "sid a URN": lambda g: g.with_claims(sid=f"urn:uuid:{g.claims['sid']}"),
    "sid without hyphens": lambda g: g.with_claims(sid=g.claims["sid"].replace("-", "")),
    "sid nil": lambda g: g.with_claims(sid="00000000-0000-0000-0000-000000000000"),
    "sid with a line feed": lambda g: g.with_claims(sid=g.claims["sid"] + "\n"),
    "sid with NUL": lambda g: g.with_claims(sid=g.claims["sid"] + "\x00"),
    "sid in full width": lambda g: g.with_claims(sid=g.claims["sid"][:-1] + "０"),
    "sid with its hyphens elsewhere": lambda g: g.with_claims(sid="00000000-00000-000-0000-000000000000"),
    "gen above the largest": lambda g: g.with_claims(gen=2**31),
    "jti not text": lambda g: g.with_claims(jti=1.5),
    # -- the encoding
    "header padded": lambda g: g.signed_again(ragged(g.header) + "=", g.segments[1]),
    "claims padded": lambda g: g.signed_again(g.segments[0], ragged(g.claims) + "="),
    "signature padded": lambda g: g.token + "==",
    "header with spare bits": lambda g: g.signed_again(spare_bits(ragged(g.header)), g.segments[1]),
    "claims with spare bits": lambda g: g.signed_again(g.segments[0], spare_bits(ragged(g.claims))),
    "signature with spare bits": lambda g: f"{g.signed}.{spare_bits(g.segments[2])}",
    "plain base64": standard_alphabet,
    "space before": lambda g: "\t" + g.token,
    "vertical tab behind": lambda g: g.token + "\x0b",
    "line feed behind": lambda g: g.token + "\n",
    "carriage return and line feed behind": lambda g: g.token + "\r\n",
    "line feed inside": lambda g: g.token[:30] + "\n" + g.token[30:],
    "space inside": lambda g: g.token[:30] + " " + g.token[30:],
    "space around a dot": lambda g: " . ".join(g.segments),
    "NUL behind": lambda g: g.token + "\x00",
    "NUL inside": lambda g: g.token[:30] + "\x00" + g.token[30:],
    "percent-encoded dot": lambda g: g.token.replace(".", "%2E"),
    "quoted": lambda g: f'"{g.token}"',
    "two tokens with a comma": lambda g: f"{g.token},{g.token}",
    "two tokens with a space": lambda g: f"{g.token} {g.token}",
    "the scheme twice": lambda g: f"Bearer {g.token}",
    "Latin-1 behind": lambda g: g.token.encode() + b"\xe9",
    "Latin-1 inside": lambda g: g.token.encode()[:30] + b"\xe9" + g.token.encode()[30:],
    "full width": lambda g: "".join(chr(ord(c) + 0xFEE0) for c in g.token[:20]).encode() + g.token[20:].encode(),
    "a lone surrogate in UTF-8": lambda g: g.token.encode() + b"\xed\xa0\x80",
    "bytes that are not UTF-8": lambda g: b"\xff\xfe" + g.token.encode(),
    "no-break space behind": lambda g: g.token.encode() + b"\xa0",
    # -- the shape
    "nothing": lambda _: "",
    "dots": lambda _: "..",
    "one segment": lambda g: g.segments[0],
    "two segments": lambda g: g.signed,
    "four segments": lambda g: g.token + ".AAAA",
    "five segments": lambda g: g.token + ".AAAA.AAAA",
    "leading dot": lambda g: "." + g.token,
    "trailing dot": lambda g: g.token + ".",
    "segments in another order": lambda g: ".".join(g.segments[::-1]),
    "no header": lambda g: f".{g.segments[1]}.{g.segments[2]}",
    "no claims": lambda g: f"{g.segments[0]}..{g.segments[2]}",
    "no claims, signed": lambda g: g.signed_again(g.segments[0], ""),
    "an encrypted token's shape": lambda g: ".".join(
        [encode_segment({"alg": "dir", "enc": "A128GCM", "kid": g.header["kid"]}), "", "AAAA", "AAAA", "AAAA"]
    ),
    "a JSON serialization": lambda g: json.dumps(
        dict(zip(("protected", "payload", "signature"), g.segments, strict=True))
    ),
    "a name": lambda _: "null",
    "a JSON object": lambda _: "{}",
    "1.5 KB unsigned, header in deep arrays": lambda g: f"{encode_segment(deep('[', 1000))}.{g.segments[1]}.AAAA",
    "7 KB unsigned, header in deep objects": lambda g: (
        encode_segment(deep('{"a":', 1000)) + f".{g.segments[1]}.AAAA"
    ),
    "1.5 KB of one letter": lambda _: LONG[:1500],
    "16 KB of one letter": lambda _: LONG[:15_000],
    "12 KB of dots": lambda _: "." * 12_000,
    "12 KB in three segments": lambda _: ".".join([LONG[:4000]] * 3),
    "a long signature": lambda g: g.signed + "." + LONG[:8000],
    "a long header": lambda g: f"{LONG[:8000]}.{g.segments[1]}.{g.segments[2]}",
    # -- the signature
    "no signature": lambda g: g.signed + ".",
    "signature cut by a character": lambda g: g.token[:-1],
    "signature cut by a byte": lambda g: g.with_signature(base64.urlsafe_b64decode(g.segments[2] + "==")[:-1]),
    "signature longer by a byte": lambda g: g.with_signature(base64.urlsafe_b64decode(g.segments[2] + "==") + b"\0"),
    "signature of half the size": lambda g: g.with_signature(base64.urlsafe_b64decode(g.segments[2] + "==")[:32]),
    "signature as DER": lambda g: g.with_signature(encode_dss_signature(*g.numbers())),
    "signature of zeros": lambda g: g.with_numbers(0, 0),  # CVE-2022-21449
    "signature with r zero": lambda g: g.with_numbers(0, g.numbers()[1]),
    "signature with s zero": lambda g: g.with_numbers(g.numbers()[0], 0),
    "signature of the order": lambda g: g.with_numbers(_ORDER, _ORDER),
    "signature of ones": lambda g: g.with_numbers(1, 1),
    "signature of the largest": lambda g: g.with_signature(b"\xff" * 64),
    "signature with r and s swapped": lambda g: g.with_numbers(*reversed(g.numbers())),
    "signature over other claims": lambda g: (
        f"{g.segments[0]}.{encode_segment({**g.claims, 'gen': 1})}.{g.segments[2]}"
    ),
    "signature over the claims alone": lambda g: f"{g.signed}.{g.forge.signature(g.segments[1])}",
    "signature by a key of no ring": lambda g: f"{g.signed}.{Forge(stranger()).signature(g.signed)}",
    "signature by the next key": lambda g: f"{g.signed}.{Forge(g.ring.keys[1]).signature(g.signed)}",
    "signature by a key in the header": lambda g: embedded_key(g, kid=False),
    "signature by a key in the header, with its kid": lambda g: embedded_key(g, kid=True),
    # -- no algorithm, another algorithm
    **dict(_unsigned()),
    "only alg none": lambda g: f"{encode_segment({'alg': 'none'})}.{g.segments[1]}.",
    "alg none and a dummy signature": lambda g: f"{encode_segment({**g.header, 'alg': 'none'})}.{g.segments[1]}.AAAA",
    "HMAC with the public key as PEM": lambda g: g.as_hmac(g.public_pem()),
    "HMAC with the public key as PEM without the last line feed": lambda g: g.as_hmac(g.public_pem().strip()),
    "HMAC with the public key as DER": lambda g: g.as_hmac(g.public_der()),
    "HMAC with the public point": lambda g: g.as_hmac(g.public_point()),
    "HMAC with the public JWK": lambda g: g.as_hmac(json.dumps(g.ring.active.public_jwk()).encode()),
    "HMAC with the public JWK, compact": lambda g: g.as_hmac(
        json.dumps(g.ring.active.public_jwk(), separators=(",", ":")).encode()
    ),
    "HMAC with the kid": lambda g: g.as_hmac(g.header["kid"].encode()),
    "HMAC with nothing": lambda g: g.as_hmac(b""),
    "HMAC with nothing and kid a path": lambda g: g.as_hmac(b"", kid="/dev/null"),
    "HMAC labelled ES256": lambda g: g.as_hmac(g.public_pem(), alg="ES256"),
}  # fmt: skip
ACCESS_ONLY: dict[str, Break] = {
    f"{name} {what}": claim(name, value)
    for name in ("client_id", "scope")
    for what, value in {**WRONG, "a number": 1}.items()
} | {
    "auth_time null": claim("auth_time", None),
    "auth_time a string": claim("auth_time", "1800000000"),
    "auth_time a boolean": claim("auth_time", value=True),
    "auth_time a fraction": claim("auth_time", 1.5),
    "auth_time before the epoch": claim("auth_time", -1),
    "auth_time beyond all time": claim("auth_time", 2**53 + 1),
    "amr null": claim("amr", None),
    "amr a string": claim("amr", "mfa"),
    "amr an object": claim("amr", {"mfa": True}),
    "amr of lists": claim("amr", [["mfa"]]),
    "amr of numbers": claim("amr", ["pwd", 1]),
}
