"""The one strict gate: what a published key has signed (RFC 7515, RFC 8725, RFC 9068)."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from wutang_auth_verifier import strict_json
from wutang_auth_verifier.errors import ExpiredToken, InvalidToken, VerificationError

CLOCK_SKEW = 5  # seconds in the future that `iat` and `nbf` may lie
SESSION_ID = re.compile("(?![0-]+$)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # not nil
_KEY_TYPES = {"ES256": ("EC", "P-256"), "RS256": ("RSA", None)}  # SECURITY: no secret is published, others are not ours
_ECDSA = ec.ECDSA(hashes.SHA256())
_CLAIMS = itemgetter("aud", "client_id", "jti", "sub", "sid", "scope", "iat", "nbf", "exp", "gen", "auth_time", "amr")
_TYPES = (str,) * 6 + (int,) * 5 + (list,)  # not by isinstance(): True is an int too
_OPTIONAL: Mapping[str, Any] = {"auth_time": 0, "amr": []}  # where it knows second factors
_CACHED = 4096


class Identity(NamedTuple):
    """Whose token it is, with the scopes of when it was issued, and all else that it says."""

    user_id: int
    session_id: str
    scopes: frozenset[str]
    expires_at: datetime
    claims: Mapping[str, Any]


class Gate:
    """Tokens of one issuer, by one JWK Set; another set is another gate, which remembers no token."""

    def __init__(self, jwk_set: Mapping[str, Any], issuer: str, audience: str) -> None:
        self._issuer, self._audience = issuer, audience
        self.lacks_key = False  # whether a token named a key that is not in the set, or not yet
        self._passed = OrderedDict[str, Identity]()
        self._headers: dict[tuple[str, str], jwt.PyJWK] = {}  # those that passed
        own = [key for key in jwk_set["keys"] if _KEY_TYPES.get(key.get("alg")) == (key["kty"], key.get("crv"))]
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in own}

    def read(self, token: str, now: float) -> Identity:
        """Whose access token it is; `now` is in seconds since the epoch.

        Raises:
            ExpiredToken: genuine in everything but its lifetime.
            InvalidToken: anything else, foreseen or not.
        """
        try:
            identity = self._passed.get(token)
            if identity is None:
                identity = self._passed[token] = self._read(token)
                if len(self._passed) > _CACHED:
                    self._passed.popitem(last=False)
        except VerificationError:
            raise
        except Exception as error:
            # SECURITY: whatever breaks in here breaks for a token that must not pass
            raise InvalidToken("malformed") from error
        if max(identity.claims["iat"], identity.claims["nbf"]) > now + CLOCK_SKEW:
            raise InvalidToken("not yet valid")
        if identity.claims["exp"] <= now:
            raise ExpiredToken("expired")
        return identity

    def _read(self, token: str) -> Identity:
        if len(token) > 8192:
            raise InvalidToken("too long")
        claims = self.open(token, "at+jwt")
        aud, _, _, sub, sid, scope, iat, nbf, exp, gen, auth_time, amr = values = _CLAIMS({**_OPTIONAL, **claims})
        if tuple(map(type, values)) != _TYPES or aud != self._audience or not set(map(type, amr)) <= {str}:
            raise InvalidToken("wrong claims")
        user_id = int(sub)
        if str(user_id) != sub or not 0 < user_id < 2**63 or not SESSION_ID.fullmatch(sid):
            raise InvalidToken("wrong ids")
        if min(iat, nbf, exp, gen, auth_time) < 0 or max(iat, nbf, exp, auth_time) > 2**53 or gen >= 2**31:
            raise InvalidToken("wrong numbers")
        expires_at = datetime.fromtimestamp(min(exp, 253_402_300_799), UTC)  # the last second that a datetime holds
        return Identity(user_id, sid, frozenset(scope.split()), expires_at, MappingProxyType(claims))

    def open(self, token: str, typ: str) -> dict[str, Any]:
        """What a token of this type says; any exception where it is not one, or not by this issuer."""
        head, body, tail = token.split(".")
        key = self._headers.get((head, typ)) or self._read_header(head, typ)
        signed, signature = f"{head}.{body}".encode(), strict_json.decode(tail)
        if key.algorithm_name == "ES256" and len(signature) == 64:  # as PyJWT does it, but in less time
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            key.key.verify(utils.encode_dss_signature(r, s), signed, _ECDSA)  # or raises InvalidSignature
        elif not key.Algorithm.verify(signed, key.key, signature):
            raise InvalidToken("a wrong signature")
        claims = strict_json.load(body)
        if claims["iss"] != self._issuer:
            raise InvalidToken("another issuer")
        return claims

    def _read_header(self, head: str, typ: str) -> jwt.PyJWK:
        header = strict_json.load(head)
        # SECURITY: it may say nothing else, such as `crit`, `jwk` or `jku` (RFC 8725 sections 3.1 and 3.11)
        if header.keys() != {"alg", "typ", "kid"} or header["typ"] != typ:
            raise InvalidToken("another type")
        key = self._keys.get(header["kid"])
        self.lacks_key |= key is None
        if key is None or header["alg"] != key.algorithm_name:
            raise InvalidToken("an unknown key, or another algorithm")
        if len(self._headers) < 64:
            self._headers[head, typ] = key
        return key
