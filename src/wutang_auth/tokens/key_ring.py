"""The key ring: signing keys, each with a state, of which exactly one signs; and those that encrypt second factors."""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, Self, TypeVar, get_args

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wutang_auth.fields import format_timestamp
from wutang_auth.tokens import base64url

Algorithm = Literal["ES256", "RS256", "HS256"]
State = Literal["next", "active", "retired"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
STATES: tuple[State, ...] = get_args(State)
ENCRYPTION: Final = "A256GCM"
"""The `alg` of keys that encrypt (RFC 7518 section 5.3)."""
ENCRYPTION_KEY_BYTES: Final = 32

PICKED_UP_SECONDS = 5
"""Running services have read a changed file after so long, where they all read the same one."""

KEY_TYPES = {"ES256": "EC", "RS256": "RSA", "HS256": "oct"}
PUBLIC_MEMBERS = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "oct": ()}
PRIVATE_MEMBERS = {"EC": ("d",), "RSA": ("d", "p", "q", "dp", "dq", "qi"), "oct": ("k",)}
_THUMBPRINT = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "oct": ("k", "kty")}


class KeyRingError(Exception):
    """The key ring cannot be used as it is; the message says why, and shows no key."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, its one algorithm and its state."""

    kid: str
    alg: Algorithm
    state: State
    created_at: datetime
    retired_at: datetime | None
    members: dict[str, str] = field(repr=False)
    """The JWK's own members, private ones included (RFC 7518 section 6)."""

    def public_jwk(self) -> dict[str, str] | None:
        """The key as others may see it; None for a shared secret."""
        kty = KEY_TYPES[self.alg]
        if kty == "oct":
            return None
        public = {name: self.members[name] for name in PUBLIC_MEMBERS[kty]}
        return {"kty": kty, "use": "sig", "alg": self.alg, "kid": self.kid, **public}

    def private_jwk(self) -> dict[str, str]:
        """The key as it signs."""
        return {"kty": KEY_TYPES[self.alg], "alg": self.alg, "kid": self.kid, **self.members}


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """One key that encrypts secrets of second factors, and its state; it is shared with nobody and never published."""

    kid: str
    state: State
    created_at: datetime
    retired_at: datetime | None
    secret: bytes = field(repr=False)


Key = TypeVar("Key", SigningKey, EncryptionKey)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys in their states; exactly one is active and signs, and one encrypts if any does."""

    keys: tuple[SigningKey, ...]
    encryption: tuple[EncryptionKey, ...] = ()

    @property
    def active(self) -> SigningKey:
        """The key that signs."""
        return next(key for key in self.keys if key.state == "active")

    @property
    def all(self) -> "list[SigningKey | EncryptionKey]":
        """Those that sign and those that encrypt."""
        return [*self.keys, *self.encryption]

    @property
    def encrypting(self) -> EncryptionKey | None:
        """The key that encrypts; None: there is none."""
        return next((key for key in self.encryption if key.state == "active"), None)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public JWK Set (RFC 7517 section 5): `next` and `retired` keys too, shared secrets never."""
        return {"keys": [jwk for key in self.keys if (jwk := key.public_jwk()) is not None]}

    @classmethod
    def generate(cls, alg: Algorithm = "ES256") -> Self:
        """A ring of a new active key and the one that will follow it."""
        return cls((_generate_key(alg, "active"), _generate_key(alg, "next")))

    def rotated(self, now: datetime, *, picked_up: int = PICKED_UP_SECONDS, force: bool = False) -> "KeyRing":
        """The next key signs, the active one only verifies, and a fresh key is next.

        The last ring is as old as its next key, which was made with it. After `picked_up` seconds it is everywhere.

        Raises:
            KeyRingError: there is no next key, or not every service may have read it yet.
        """
        following = next((key for key in self.keys if key.state == "next"), None)
        if following is None:
            raise KeyRingError("there is no next key; `keys generate --next` adds one")
        fresh = _generate_key(following.alg, "next")
        keys = _rotated(self.keys, following, now, fresh=fresh, picked_up=picked_up, force=force)
        return replace(self, keys=keys)

    def with_encryption(self) -> "KeyRing":
        """The same with a key that encrypts, and the one that will follow it, as far as they are missing.

        Raises:
            KeyRingError: both are there already.
        """
        there = {key.state for key in self.encryption}
        wanted: tuple[State, ...] = ("active", "next")
        added = tuple(_generate_encryption_key(state) for state in wanted if state not in there)
        if not added:
            raise KeyRingError("there is an encryption key already; `keys rotate --encryption` replaces it")
        return replace(self, encryption=(*self.encryption, *added))

    def with_rotated_encryption(
        self, now: datetime, *, picked_up: int = PICKED_UP_SECONDS, force: bool = False
    ) -> "KeyRing":
        """The next key encrypts, the active one only decrypts, and a fresh key is next; `picked_up` is in seconds.

        Raises:
            KeyRingError: there is no next key, or not every service may have read it yet.
        """
        following = next((key for key in self.encryption if key.state == "next"), None)
        if following is None:
            raise KeyRingError("there is no next encryption key; `keys generate --encryption` adds one")
        fresh = _generate_encryption_key("next")
        keys = _rotated(self.encryption, following, now, fresh=fresh, picked_up=picked_up, force=force)
        return replace(self, encryption=keys)

    def without_encryption(self, kid: str) -> "KeyRing":
        """This encryption key is gone, and with it each secret that it encrypted.

        Raises:
            KeyRingError: there is no such key, or it is needed.
        """
        key = next((key for key in self.encryption if key.kid == kid), None)
        if key is None:
            raise KeyRingError(f"there is no key {kid}; `keys list` shows them")
        if key.state != "retired":
            raise KeyRingError("it is the key that encrypts, or the next one; `keys rotate --encryption` first")
        return replace(self, encryption=tuple(other for other in self.encryption if other is not key))

    def with_next(self, alg: Algorithm) -> "KeyRing":
        """One more key, to be rotated to.

        Raises:
            KeyRingError: there is a next key already.
        """
        if any(key.state == "next" for key in self.keys):
            raise KeyRingError("there is a next key already; `keys drop` it first")
        return replace(self, keys=(*self.keys, _generate_key(alg, "next")))

    def with_retired(self, kid: str, now: datetime) -> "KeyRing":
        """This key never signs again; what it signed stays valid.

        Raises:
            KeyRingError: there is no such key, or it is the one that signs.
        """
        key = self._not_active(kid)
        retired = replace(key, state="retired", retired_at=key.retired_at or now)
        return replace(self, keys=tuple(retired if other is key else other for other in self.keys))

    def without(self, kid: str, now: datetime, *, longest_ttl: int, force: bool = False) -> "KeyRing":
        """This key is gone, and with it every token that it signed; `longest_ttl` is in seconds.

        Raises:
            KeyRingError: there is no such key, it is the one that signs, or tokens of it may still live.
        """
        key = self._not_active(kid)
        dead_at = None if key.retired_at is None else key.retired_at + timedelta(seconds=longest_ttl)
        if dead_at is not None and dead_at > now and not force:
            raise KeyRingError(
                f"tokens that it signed may live until {format_timestamp(dead_at)}; "
                "wait, or --force and log their users out"
            )
        return replace(self, keys=tuple(other for other in self.keys if other is not key))

    def _not_active(self, kid: str) -> SigningKey:
        key = next((key for key in self.keys if key.kid == kid), None)
        if key is None:
            raise KeyRingError(f"there is no key {kid}; `keys list` shows them")
        if key.state == "active":
            raise KeyRingError("it is the key that signs; `keys rotate` first")
        return key


def _rotated(
    keys: tuple[Key, ...], following: Key, now: datetime, *, fresh: Key, picked_up: int, force: bool
) -> tuple[Key, ...]:
    """The keys after one step: `following` is active, the one that was is retired, and `fresh` is added.

    Raises:
        KeyRingError: not every service may have read the following one yet.
    """
    age = int((now - following.created_at).total_seconds())
    if age < picked_up and not force:
        raise KeyRingError(
            f"the next key is {max(age, 0)} s old, and not every service may have it before {picked_up} s: "
            f"wait {picked_up - age} s, or --force"
        )
    found: list[Key] = []
    for key in keys:
        if key is following:
            found.append(replace(key, state="active"))
        elif key.state == "active":
            found.append(replace(key, state="retired", retired_at=now))
        else:
            found.append(key)
    found.append(fresh)
    return tuple(found)


def thumbprint(members: dict[str, str], kty: str) -> str:
    """The SHA-256 thumbprint of a JWK, base64url (RFC 7638 section 3)."""
    canonical = {name: kty if name == "kty" else members[name] for name in _THUMBPRINT[kty]}
    text = json.dumps(canonical, separators=(",", ":"), sort_keys=True)
    return base64url.encode(sha256(text.encode()).digest())


def _generate_key(alg: Algorithm, state: State) -> SigningKey:
    if alg == "ES256":
        number = ec.generate_private_key(ec.SECP256R1()).private_numbers()
        point = number.public_numbers
        members = {
            "crv": "P-256",
            "x": base64url.encode(point.x.to_bytes(32)),
            "y": base64url.encode(point.y.to_bytes(32)),
            "d": base64url.encode(number.private_value.to_bytes(32)),
        }
    elif alg == "RS256":
        numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
        public = numbers.public_numbers
        parts = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        members = {"n": base64url.encode_int(public.n), "e": base64url.encode_int(public.e)}
        members |= {name: base64url.encode_int(part) for name, part in zip(PRIVATE_MEMBERS["RSA"], parts, strict=True)}
    else:
        members = {"k": base64url.encode(os.urandom(32))}
    return SigningKey(thumbprint(members, KEY_TYPES[alg]), alg, state, _now(), None, members)


def _generate_encryption_key(state: State) -> EncryptionKey:
    secret = os.urandom(ENCRYPTION_KEY_BYTES)
    return EncryptionKey(encryption_kid(secret), state, _now(), None, secret)


def encryption_kid(secret: bytes) -> str:
    """The thumbprint of a key that encrypts; the key has too many bits to be guessed from it."""
    return thumbprint({"k": base64url.encode(secret)}, "oct")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
