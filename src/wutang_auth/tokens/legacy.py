"""The legacy gate: tokens of a Laravel application with tymon/jwt-auth, whose place this service takes."""

import hmac
import logging
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from typing import Any, Literal
from uuid import UUID, uuid5

from wutang_auth.errors import TokenExpired, TokenInvalid
from wutang_auth.fields import MAX_USER_ID, format_timestamp, parse_user_id
from wutang_auth.settings import LegacySettings
from wutang_auth.tokens import base64url, strict_json
from wutang_auth.tokens.compact import COMPACT, jti_digest, text, within
from wutang_auth.tokens.hints import Hints

logger = logging.getLogger(__name__)

Purpose = Literal["access", "refresh", "logout"]

_SESSION_IDS = UUID("37f9afa6-83f0-4332-9645-7823b696b12a")
"""Never another one: the namespace of the ids of adopted sessions (RFC 9562 section 5.5)."""
_MAX_HEADER_LENGTH = 512
_MAX_JTI_LENGTH = 255
_ALPHANUMERIC = string.ascii_letters + string.digits
_LATEST = 253_402_300_799  # the last second of year 9999, in which Python's and our timestamps end


@dataclass(frozen=True, slots=True)
class LegacyClaims:
    """What a genuine token of the application says."""

    user_id: int
    digest: bytes
    """The SHA-1 of the `jti`: how tokens that count no more are known."""
    session_id: UUID
    """Of the session that it has become or would become."""
    issued_at: datetime
    """When its user logged in: a refresh there leaves `iat` as it is."""
    expires_at: datetime
    refreshable_until: datetime

    @property
    def known_until(self) -> datetime:
        """From then on it cannot count for anything."""
        return max(self.expires_at, self.refreshable_until)


class LegacyKey:
    """The application's secret, which signs and verifies by HMAC with SHA-256 (RFC 7518 section 3.2)."""

    __slots__ = ("_prv", "_secret")

    def __init__(self, settings: LegacySettings) -> None:
        # SECURITY: its raw bytes, as the application takes it; nothing is decoded, nothing trimmed
        self._secret = b"" if settings.legacy_secret is None else settings.legacy_secret.get_secret_value().encode()
        self._prv = _prv(settings.legacy_models[0])

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 32 bytes."""
        return hmac.digest(self._secret, message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the message has this signature."""
        return hmac.compare_digest(self.sign(message), signature)

    def accepted_there(self, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims of an access token of ours, as the application takes them too.

        For its first user model; with a `jti` of 16 letters and digits, as it makes them, by which a blacklist that is
        read back here knows it; without `aud`, which it does not know.
        """
        own = {name: value for name, value in claims.items() if name != "aud"}
        return own | {"jti": "".join(secrets.choice(_ALPHANUMERIC) for _ in range(16)), "prv": self._prv}


class LegacyGate:
    """The only way in for tokens without a `kid`; as strict as ours, and apart from it."""

    def __init__(
        self,
        settings: LegacySettings,
        *,
        clock_skew: int,
        clock: Callable[[], float] = time.time,
        hints: Hints | None = None,
    ) -> None:
        """`clock_skew` is in seconds; `hints` tell operators of other clocks, None: nobody does."""
        self._key = LegacyKey(settings)
        self._prvs = {_prv(model) for model in settings.legacy_models}
        self._until = settings.legacy_until or datetime.fromtimestamp(0, UTC)
        self._refresh_ttl = settings.legacy_refresh_ttl
        self._clock_skew = clock_skew
        self._clock = clock
        self._hints = hints
        self._said_shut = False

    def takes(self, token: str) -> bool:
        """Whether it is this gate's to decide.

        SECURITY: by the absence of `kid` in its header and by nothing else. Whatever one gate refuses stays refused.
        """
        head = token.partition(".")[0]
        return len(head) <= _MAX_HEADER_LENGTH and _names_no_key(head)

    def is_shut(self) -> bool:
        """Whether the time of legacy tokens is over; the first to ask after that leaves a line in the log."""
        if self._clock() < self._until.timestamp():
            return False
        if not self._said_shut:
            self._said_shut = True
            logger.warning(
                "legacy tokens are refused since %s, which is WUTANG_LEGACY_UNTIL; unset WUTANG_LEGACY_SECRET",
                format_timestamp(self._until),
            )
        return True

    def verify(self, token: str, purpose: Purpose = "access") -> LegacyClaims:
        """Let in a token that is good for access until its `exp`, for a refresh until `iat` + LEGACY_REFRESH_TTL.

        For a logout it is good as long as for either.

        Raises:
            TokenExpired: genuine in everything but its lifetime.
            TokenInvalid: anything else, foreseen or not.
        """
        if self.is_shut():
            raise TokenInvalid("gate shut")
        try:
            claims = self._verify(token)
        except TokenInvalid:
            raise
        except Exception as error:
            # SECURITY: whatever breaks in here breaks for a token that must not pass
            raise TokenInvalid from error
        ends_at = {
            "access": claims.expires_at, "refresh": claims.refreshable_until, "logout": claims.known_until,
        }[purpose]  # fmt: skip
        if ends_at.timestamp() <= self._clock():
            raise TokenExpired
        return claims

    def _verify(self, token: str) -> LegacyClaims:
        shape = COMPACT.fullmatch(token)
        if shape is None:
            raise TokenInvalid
        head, body, tail = shape.groups()
        header = strict_json.loads(base64url.decode(head))
        # SECURITY: no `crit`, `enc` or `b64`, which the application would pass over (RFC 8725 section 3.1)
        if (
            type(header) is not dict
            or not {"alg"} <= header.keys() <= {"alg", "typ"}
            or header.get("typ", "JWT") != "JWT"
        ):
            raise TokenInvalid
        if header["alg"] != "HS256":
            raise TokenInvalid("wrong algorithm")
        if not self._key.verify(token[: shape.end(2)].encode(), base64url.decode(tail)):
            raise TokenInvalid("signature")
        claims = strict_json.loads(base64url.decode(body))
        if type(claims) is not dict:
            raise TokenInvalid
        if "prv" in claims and claims["prv"] not in self._prvs:
            raise TokenInvalid("other model")
        return self._claims(claims)

    def _claims(self, claims: dict[str, Any]) -> LegacyClaims:
        issued_at = within(claims["iat"], _LATEST)
        not_before = max(issued_at, within(claims.get("nbf", issued_at), _LATEST))
        now = self._clock()
        if not_before > now + self._clock_skew:
            if self._hints is not None:
                self._hints.legacy_from_the_future(not_before - now)
            raise TokenInvalid("not yet valid")
        jti = text(claims["jti"])
        if not 0 < len(jti) <= _MAX_JTI_LENGTH:
            raise TokenInvalid
        return LegacyClaims(
            _user_id(claims["sub"]),
            jti_digest(jti),
            uuid5(_SESSION_IDS, jti),
            datetime.fromtimestamp(issued_at, UTC),
            datetime.fromtimestamp(within(claims["exp"], _LATEST), UTC),
            datetime.fromtimestamp(min(issued_at + self._refresh_ttl, _LATEST), UTC),
        )


@lru_cache(maxsize=64)
def _names_no_key(head: str) -> bool:
    try:
        header = strict_json.loads(base64url.decode(head))
    except ValueError:
        return False
    return type(header) is dict and "kid" not in header


def _prv(model: str) -> str:
    """How jwt-auth names a user model in the claim `prv`."""
    return sha1(model.encode(), usedforsecurity=False).hexdigest()


def _user_id(value: object) -> int:
    """`sub` is a number with jwt-auth 1.x, its decimal string with 2.x.

    Raises:
        ValueError: nothing that could be a user's id.
    """
    if type(value) is int and 0 < value <= MAX_USER_ID:
        return value
    return parse_user_id(text(value))
