"""Tokens: issued for a session, and verified by the one strict gate."""

import secrets
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from jose import jwk
from pydantic_core import to_json

from wutang_auth.errors import TokenExpired, TokenInvalid
from wutang_auth.fields import Authentication, parse_session_id, parse_user_id
from wutang_auth.settings import Settings
from wutang_auth.tokens import base64url, strict_json
from wutang_auth.tokens.compact import COMPACT, MAX_TIME, jti_digest, text, texts, within
from wutang_auth.tokens.hints import Hints
from wutang_auth.tokens.key_ring import KeyRing

if TYPE_CHECKING:
    from wutang_auth.tokens.legacy import LegacyKey

Kind = Literal["access", "refresh"]

_TYP: dict[Kind, str] = {"access": "at+jwt", "refresh": "rt+jwt"}  # RFC 9068 section 2.1; the second is ours
_KIND: dict[str, Kind] = {typ: kind for kind, typ in _TYP.items()}

_SIGNATURE_SIZE = {"ES256": 64, "HS256": 32}  # RS256: the key's own
BACKDATED_SECONDS = 5
"""How far back `iat` lies."""
_MAX_GENERATION = 2**31 - 1
_CACHED_TOKENS = 4096  # twice: see _Verified
_CACHED_HEADERS = 64
_LEGACY_KID = "legacy"  # reserved: no key of a ring can have it, since those have thumbprints


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says."""

    kind: Kind
    user_id: int
    session_id: UUID
    generation: int
    not_before: int
    """The later of `iat` and `nbf`, in seconds since the epoch."""
    expires_at: int
    """In seconds since the epoch."""
    scope: str = ""
    """The scopes of an access token, between spaces, as they were when it was made."""
    authenticated_at: int | None = None
    """When the user had last proved who it is as it was made, in seconds since the epoch; None: it does not say."""
    amr: tuple[str, ...] = ()
    """How; nothing where there are no second factors."""
    legacy_digest: bytes | None = None
    """Of a token that the earlier application takes too: by what it is known where it was revoked there."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access and a refresh token of one generation of a session."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds."""
    refresh_token: str = field(repr=False)
    refresh_expires_in: int
    """Seconds."""


class _VerifyingKey:
    """One key with its one algorithm, prepared: constructing python-jose's Key costs more than using it."""

    __slots__ = ("alg", "kid", "signature_size", "verify")

    def __init__(self, kid: str, alg: str, key: Any) -> None:
        self.kid = kid
        self.alg = alg
        self.verify: Callable[[bytes, bytes], bool] = key.verify
        self.signature_size = _SIGNATURE_SIZE.get(alg)


class _Verified:
    """Access tokens whose signature and claims passed. Time is looked at each time, the session too.

    Known by their digests, which are smaller and nobody's tokens. Two halves: when the recent one is full, the older
    one goes, except for what was asked for meanwhile.
    """

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        self._recent: dict[bytes, Claims] = {}
        self._older: dict[bytes, Claims] = {}

    def get(self, digest: bytes) -> Claims | None:
        claims = self._recent.get(digest)
        if claims is None:
            claims = self._older.get(digest)
            if claims is not None:
                self.add(digest, claims)
        return claims

    def add(self, digest: bytes, claims: Claims) -> None:
        if len(self._recent) >= _CACHED_TOKENS:
            self._older, self._recent = self._recent, {}
        self._recent[digest] = claims

    def discard(self, digest: bytes) -> None:
        self._recent.pop(digest, None)
        self._older.pop(digest, None)


@dataclass(frozen=True, slots=True)
class _Signer:
    alg: str
    kid: str
    sign: Callable[[bytes], bytes]

    def head(self, typ: str) -> str:
        """The protected header of what it signs, encoded."""
        return base64url.encode(to_json({"alg": self.alg, "typ": typ, "kid": self.kid}))

    def token(self, head: str, claims: dict[str, Any]) -> str:
        """The claims behind this header, signed."""
        signed = f"{head}.{base64url.encode(to_json(claims))}"
        return f"{signed}.{base64url.encode(self.sign(signed.encode()))}"


class _Ring:
    """A key ring made ready. A changed ring is a new object, so that nothing cached outlives its key."""

    def __init__(self, ring: KeyRing, legacy_key: "LegacyKey | None") -> None:
        self.keys: dict[str, _VerifyingKey] = {}
        for key in ring.keys:
            private = jwk.construct(key.private_jwk(), key.alg)
            public = private if key.alg == "HS256" else private.public_key()
            self.keys[key.kid] = _VerifyingKey(key.kid, key.alg, public)
            if key is ring.active:
                self.signer = _Signer(key.alg, key.kid, private.sign)
        self.heads = {kind: self.signer.head(typ) for kind, typ in _TYP.items()}
        if legacy_key is not None:
            self.keys[_LEGACY_KID] = _VerifyingKey(_LEGACY_KID, "HS256", legacy_key)
        self.headers: dict[str, tuple[_VerifyingKey, Kind]] = {}
        """Headers that passed, by their text."""
        self.verified = _Verified()


class Tokens:
    """Issues token pairs and verifies what comes back."""

    def __init__(
        self,
        settings: Settings,
        ring: KeyRing,
        *,
        clock: Callable[[], float] = time.time,
        legacy_key: "LegacyKey | None" = None,
    ) -> None:
        self._issuer = settings.issuer
        self._audience = {"access": settings.audience, "refresh": settings.issuer}
        self._client_id = settings.client_id
        self.access_ttl = timedelta(seconds=settings.access_ttl)
        self._clock_skew = settings.clock_skew
        self._clock = clock
        self.hints = Hints(issuer=settings.issuer, clock_skew=settings.clock_skew)
        self._legacy_key = legacy_key
        self._mints_legacy = settings.legacy_mint
        self._legacy_until = settings.legacy_until.timestamp() if settings.legacy_until else 0.0
        self.use(ring)

    def use(self, ring: KeyRing) -> None:
        """Sign and verify with this ring from now on."""
        self.ring = ring
        self._ring = _Ring(ring, self._legacy_key)

    def issue(
        self,
        *,
        user_id: int,
        session_id: UUID,
        generation: int,
        scopes: list[str],
        session_lifetime: float,
        scopes_read_at: datetime | None = None,
        authentication: Authentication | None = None,
    ) -> TokenPair:
        """Two new tokens of this generation; neither outlives the session, which has this many seconds left.

        `scopes_read_at` is when the user had these scopes, by the database's clock; without it the tokens are of now.
        `authentication` is told by the access token, for those who ask for a second factor or a fresh proof.
        """
        ring = self._ring
        now = int(self._clock())
        if scopes_read_at is not None:
            # SECURITY: whoever takes a scope away refuses the tokens of the time before, by that clock
            now = min(now, int(scopes_read_at.timestamp()))
        refresh_ttl = max(int(session_lifetime), 1)
        access_ttl = min(int(self.access_ttl.total_seconds()), refresh_ttl)
        jti = secrets.token_hex(32)
        common = {"iss": self._issuer, "sub": str(user_id), "sid": str(session_id), "gen": generation}
        # other machines' clocks lie behind ours, and not all who verify allow for that
        times = {"iat": now - BACKDATED_SECONDS, "nbf": now - BACKDATED_SECONDS}
        access = {
            **common, **times, "aud": self._audience["access"], "client_id": self._client_id,
            "exp": now + access_ttl, "jti": jti[:32], "scope": " ".join(scopes),
        }  # fmt: skip
        if authentication is not None:  # RFC 9068 section 2.2.1
            access["amr"] = authentication.amr
            if authentication.authenticated_at is not None:
                access["auth_time"] = int(authentication.authenticated_at.timestamp())
        refresh = {
            **common, **times, "aud": self._audience["refresh"],
            "exp": now + refresh_ttl, "jti": jti[32:],
        }  # fmt: skip
        return TokenPair(
            self._signed_access_token(ring, access), access_ttl,
            ring.signer.token(ring.heads["refresh"], refresh), refresh_ttl,
        )  # fmt: skip

    def _signed_access_token(self, ring: _Ring, claims: dict[str, Any]) -> str:
        if self._legacy_key is None or not self._mints_legacy or claims["exp"] > self._legacy_until:
            return ring.signer.token(ring.heads["access"], claims)
        signer = _Signer("HS256", _LEGACY_KID, self._legacy_key.sign)
        return signer.token(signer.head(_TYP["access"]), self._legacy_key.accepted_there(claims))

    def document_of(self, token: str) -> dict[str, object]:
        """All that a token says that was verified before."""
        document: dict[str, object] = strict_json.loads(base64url.decode(token.split(".")[1]))
        return document

    def times_of_a_document(self, lifetime: int) -> dict[str, object]:
        """The claims `iss`, `iat` and `exp` of a document that is made now and good for this many seconds."""
        now = int(self._clock())
        return {"iss": self._issuer, "iat": now - BACKDATED_SECONDS, "exp": now + lifetime}

    def sign_document(self, typ: str, claims: dict[str, Any]) -> str:
        """A JWT of this type, which is no token, by the key that signs."""
        signer = self._ring.signer
        return signer.token(signer.head(typ), claims)

    def verify(self, token: str, accept: Container[Kind] = ("access",), *, expired_ok: Container[Kind] = ()) -> Claims:
        """The only way in.

        Raises:
            TokenExpired: genuine in everything but its lifetime.
            TokenInvalid: anything else, foreseen or not.
        """
        ring = self._ring
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = ring.verified.get(digest)
        if claims is None:
            try:
                claims = self._verify(ring, token)
            except TokenInvalid:
                raise
            except Exception as error:
                # SECURITY: whatever breaks in here breaks for a token that must not pass
                raise TokenInvalid from error
            if claims.kind == "access":  # a refresh token is used once
                ring.verified.add(digest, claims)
        if claims.kind not in accept:
            raise TokenInvalid("wrong kind")
        now = self._clock()
        # SECURITY: by then the earlier application is gone, and nobody watches over its secret any more
        if claims.legacy_digest is not None and now >= self._legacy_until:
            raise TokenInvalid("gate shut")
        if claims.not_before > now + self._clock_skew:
            self.hints.from_the_future(claims.not_before + BACKDATED_SECONDS - now)
            raise TokenInvalid("not yet valid")
        if claims.expires_at <= now:
            ring.verified.discard(digest)
            if claims.kind not in expired_ok:
                raise TokenExpired
        return claims

    def _verify(self, ring: _Ring, token: str) -> Claims:
        shape = COMPACT.fullmatch(token)
        if shape is None:
            raise TokenInvalid
        head, body, tail = shape.groups()
        key, kind = ring.headers.get(head) or _check_header(ring, head, body, self.hints)
        signature = base64url.decode(tail)
        if key.signature_size is not None and len(signature) != key.signature_size:
            raise TokenInvalid("signature")
        if not key.verify(token[: shape.end(2)].encode(), signature):
            raise TokenInvalid("signature")
        claims = strict_json.loads(base64url.decode(body))
        if type(claims) is not dict:
            raise TokenInvalid
        if claims["iss"] != self._issuer:
            raise TokenInvalid("wrong issuer")
        is_legacy = key.kid == _LEGACY_KID
        # SECURITY: the earlier application's secret is good for access tokens of this one form
        if ("aud" in claims or kind != "access") if is_legacy else claims["aud"] != self._audience[kind]:
            raise TokenInvalid("wrong audience")
        scope, authenticated_at = "", None
        amr: tuple[str, ...] = ()
        if kind == "access":
            text(claims["client_id"])
            scope = text(claims["scope"])
            amr = texts(claims.get("amr", []))
            if "auth_time" in claims:
                authenticated_at = within(claims["auth_time"], MAX_TIME)
        jti = text(claims["jti"])
        return Claims(
            kind,
            parse_user_id(text(claims["sub"])),
            parse_session_id(text(claims["sid"])),
            within(claims["gen"], _MAX_GENERATION),
            max(within(claims["iat"], MAX_TIME), within(claims["nbf"], MAX_TIME)),
            within(claims["exp"], MAX_TIME),
            scope,
            authenticated_at,
            amr,
            jti_digest(jti) if is_legacy else None,
        )


def _check_header(ring: _Ring, head: str, body: str, hints: Hints) -> tuple[_VerifyingKey, Kind]:
    """Which key and kind a protected header names; it may say nothing else (RFC 8725 sections 3.1 and 3.11)."""
    header = strict_json.loads(base64url.decode(head))
    if type(header) is not dict or header.keys() != {"alg", "typ", "kid"}:
        raise TokenInvalid
    key = ring.keys.get(header["kid"])
    if key is None:
        if header["typ"] in _TYP.values():
            hints.unknown_key(header["kid"], body)
        raise TokenInvalid("unknown key")
    if header["alg"] != key.alg:
        raise TokenInvalid("wrong algorithm")
    kind = _KIND.get(header["typ"])
    if kind is None:
        raise TokenInvalid("wrong kind")
    if len(ring.headers) < _CACHED_HEADERS:
        ring.headers[head] = key, kind
    return key, kind
