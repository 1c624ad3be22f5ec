"""The key ring: a JWK Set file in which each key has a state."""

import json
import logging
import os
import stat
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self, cast, get_args

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wutang_auth.fields import format_timestamp
from wutang_auth.tokens import base64url, strict_json

logger = logging.getLogger(__name__)

Algorithm = Literal["ES256", "RS256", "HS256"]
State = Literal["next", "active", "retired"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
STATES: tuple[State, ...] = get_args(State)

PICKED_UP_SECONDS = 5
"""Running services have read a changed file after so long."""

_TYPE = {"ES256": "EC", "RS256": "RSA", "HS256": "oct"}
_PUBLIC = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "oct": ()}
_PRIVATE = {"EC": ("d",), "RSA": ("d", "p", "q", "dp", "dq", "qi"), "oct": ("k",)}
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
        kty = _TYPE[self.alg]
        if kty == "oct":
            return None
        public = {name: self.members[name] for name in _PUBLIC[kty]}
        return {"kty": kty, "use": "sig", "alg": self.alg, "kid": self.kid, **public}

    def private_jwk(self) -> dict[str, str]:
        """The key as it signs."""
        return {"kty": _TYPE[self.alg], "alg": self.alg, "kid": self.kid, **self.members}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys in their states; exactly one is active and signs."""

    keys: tuple[SigningKey, ...]

    @property
    def active(self) -> SigningKey:
        """The key that signs."""
        return next(key for key in self.keys if key.state == "active")

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public JWK Set (RFC 7517 section 5): `next` and `retired` keys too, shared secrets never."""
        return {"keys": [jwk for key in self.keys if (jwk := key.public_jwk()) is not None]}

    @classmethod
    def generate(cls, alg: Algorithm = "ES256") -> Self:
        """A ring of a new active key and the one that will follow it."""
        return cls((_generate_key(alg, "active"), _generate_key(alg, "next")))

    def rotated(self, now: datetime, *, force: bool = False) -> "KeyRing":
        """The next key signs, the active one only verifies, and a fresh key is next.

        Raises:
            KeyRingError: there is no next key, or services may not have read it yet.
        """
        following = next((key for key in self.keys if key.state == "next"), None)
        if following is None:
            raise KeyRingError("there is no next key; `keys generate --next` adds one")
        age = (now - following.created_at).total_seconds()
        if age < PICKED_UP_SECONDS and not force:
            raise KeyRingError(
                f"the next key is {max(int(age), 0)} s old and running services may not have read it yet; "
                f"wait until it is {PICKED_UP_SECONDS} s old, or --force"
            )
        keys = []
        for key in self.keys:
            if key is following:
                keys.append(replace(key, state="active"))
            elif key.state == "active":
                keys.append(replace(key, state="retired", retired_at=now))
            else:
                keys.append(key)
        return KeyRing((*keys, _generate_key(following.alg, "next")))

    def with_next(self, alg: Algorithm) -> "KeyRing":
        """One more key, to be rotated to.

        Raises:
            KeyRingError: there is a next key already.
        """
        if any(key.state == "next" for key in self.keys):
            raise KeyRingError("there is a next key already; `keys drop` it first")
        return KeyRing((*self.keys, _generate_key(alg, "next")))

    def with_retired(self, kid: str, now: datetime) -> "KeyRing":
        """This key never signs again; what it signed stays valid.

        Raises:
            KeyRingError: there is no such key, or it is the one that signs.
        """
        key = self._not_active(kid)
        retired = replace(key, state="retired", retired_at=key.retired_at or now)
        return KeyRing(tuple(retired if other is key else other for other in self.keys))

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
        return KeyRing(tuple(other for other in self.keys if other is not key))

    def _not_active(self, kid: str) -> SigningKey:
        key = next((key for key in self.keys if key.kid == kid), None)
        if key is None:
            raise KeyRingError(f"there is no key {kid}; `keys list` shows them")
        if key.state == "active":
            raise KeyRingError("it is the key that signs; `keys rotate` first")
        return key

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a key ring file.

        Raises:
            KeyRingError: the file is missing, unreadable, weak or ambiguous.
        """
        try:
            text = path.read_bytes()
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise KeyRingError(
                f"the key ring {path} does not exist; make one with `wutang-auth keys generate --file {path}`"
            ) from None
        except OSError as error:
            raise KeyRingError(f"the key ring {path} cannot be read: {error.strerror}") from None
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            logger.warning("the key ring %s can be read by every user of this machine; run: chmod 600 %s", path, path)
        try:
            return cls.parse(text)
        except KeyRingError as error:
            raise KeyRingError(f"the key ring {path}: {error}") from None

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Check the content of a key ring file (RFC 7517, with a `state` for each key).

        Raises:
            KeyRingError: it is no key ring, or a weak or ambiguous one.
        """
        try:
            document = strict_json.loads(text)
        except ValueError:
            raise KeyRingError("not a JSON document with unique names") from None
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise KeyRingError('not a JWK Set: {"keys": [...]}')
        keys = tuple(_parse_key(number, jwk) for number, jwk in enumerate(document["keys"], 1))
        kids = [key.kid for key in keys]
        if duplicate := next((kid for kid in kids if kids.count(kid) > 1), None):
            raise KeyRingError(f"the key {duplicate} is there twice")
        active = [key.kid for key in keys if key.state == "active"]
        if len(active) != 1:
            raise KeyRingError(f"exactly one key must be active, {len(active)} are")
        return cls(keys)

    def save(self, path: Path) -> None:
        """Write the file so that a reader sees the old ring or the new one, and after a crash too.

        Raises:
            KeyRingError: the file cannot be written.
        """
        document = {"keys": [_to_member(key) for key in self.keys]}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "w") as file:  # mkstemp makes it mode 0600
                    json.dump(document, file, indent=2)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise KeyRingError(f"the key ring {path} cannot be written: {error.strerror}") from None


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
        members |= {name: base64url.encode_int(part) for name, part in zip(_PRIVATE["RSA"], parts, strict=True)}
    else:
        members = {"k": base64url.encode(os.urandom(32))}
    created_at = datetime.now(UTC).replace(microsecond=0)
    return SigningKey(thumbprint(members, _TYPE[alg]), alg, state, created_at, None, members)


def _parse_key(number: int, jwk: object) -> SigningKey:
    if not isinstance(jwk, dict):
        raise KeyRingError(f"key {number} is not an object")
    alg, state, kid = jwk.get("alg"), jwk.get("state"), jwk.get("kid")
    if alg not in ALGORITHMS:
        raise KeyRingError(f"key {number}: alg must be one of {', '.join(ALGORITHMS)}")
    if state not in STATES:
        raise KeyRingError(f"key {number}: state must be one of {', '.join(STATES)}")
    kty = _TYPE[alg]
    if jwk.get("kty") != kty:
        raise KeyRingError(f"key {number}: kty must be {kty} for {alg}")
    if jwk.get("use", "sig") != "sig":
        raise KeyRingError(f"key {number}: use must be sig")
    names = _PUBLIC[kty] + _PRIVATE[kty]
    members = {name: jwk.get(name) for name in names}
    if missing := [name for name, value in members.items() if not isinstance(value, str)]:
        raise KeyRingError(f"key {number}: {missing[0]} is missing")
    checked = cast(dict[str, str], members)
    _check_strength(number, alg, checked)
    expected = thumbprint(checked, kty)
    if kid != expected:
        raise KeyRingError(f"key {number}: kid must be the key's RFC 7638 thumbprint")
    return SigningKey(
        expected,
        alg,
        state,
        _moment(number, "created_at", jwk.get("created_at")) or datetime.fromtimestamp(0, UTC),
        _moment(number, "retired_at", jwk.get("retired_at")),
        checked,
    )


def _check_strength(number: int, alg: Algorithm, members: dict[str, str]) -> None:
    try:
        values = {name: base64url.decode(value) for name, value in members.items() if name != "crv"}
    except ValueError:
        raise KeyRingError(f"key {number}: its members must be base64url") from None
    if alg == "HS256" and len(values["k"]) < 32:  # RFC 7518 section 3.2
        raise KeyRingError(f"key {number}: an HMAC secret must have at least 32 bytes")
    if alg == "RS256":
        _check_rsa(number, {name: int.from_bytes(value) for name, value in values.items()})
    if alg == "ES256":
        _check_ec(number, members["crv"], values)


def _check_rsa(number: int, values: dict[str, int]) -> None:
    if values["n"].bit_length() < 2048:  # RFC 7518 section 3.3
        raise KeyRingError(f"key {number}: an RSA key must have at least 2048 bits")
    if values["n"].bit_length() > 4096:  # signing takes 10 ms, and the gate bounds signatures
        raise KeyRingError(f"key {number}: an RSA key must have at most 4096 bits")
    public = rsa.RSAPublicNumbers(values["e"], values["n"])
    private = rsa.RSAPrivateNumbers(
        p=values["p"],
        q=values["q"],
        d=values["d"],
        dmp1=values["dp"],
        dmq1=values["dq"],
        iqmp=values["qi"],
        public_numbers=public,
    )
    try:
        private.private_key()
    except ValueError:
        raise KeyRingError(f"key {number}: its RSA members do not belong together") from None


def _check_ec(number: int, curve: str, values: dict[str, bytes]) -> None:
    if curve != "P-256":  # RFC 7518 section 3.4: ES256 is P-256 only
        raise KeyRingError(f"key {number}: crv must be P-256 for ES256")
    if any(len(value) != 32 for value in values.values()):  # section 6.2.1.2: leading zeros stay
        raise KeyRingError(f"key {number}: its members must have 32 bytes")
    x, y, d = (int.from_bytes(values[name]) for name in ("x", "y", "d"))
    try:
        private = ec.derive_private_key(d, ec.SECP256R1()).private_numbers().public_numbers
    except ValueError:
        raise KeyRingError(f"key {number}: not a key of P-256") from None
    if (private.x, private.y) != (x, y):
        raise KeyRingError(f"key {number}: its public and private members do not belong together")


def _moment(number: int, name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise KeyRingError(f"key {number}: {name} must be an RFC 3339 time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_member(key: SigningKey) -> dict[str, str]:
    member = {**key.private_jwk(), "use": "sig", "state": key.state, "created_at": format_timestamp(key.created_at)}
    if key.retired_at is not None:
        member["retired_at"] = format_timestamp(key.retired_at)
    return member
