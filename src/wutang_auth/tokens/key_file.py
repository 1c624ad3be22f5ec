"""The key file: a key ring as a JWK Set (RFC 7517), with a state for each key; read, checked and written."""

import json
import logging
import os
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wutang_auth.fields import format_timestamp, parse_dumped_timestamp
from wutang_auth.tokens import base64url, strict_json
from wutang_auth.tokens.key_ring import (
    ALGORITHMS,
    ENCRYPTION,
    ENCRYPTION_KEY_BYTES,
    KEY_TYPES,
    PRIVATE_MEMBERS,
    PUBLIC_MEMBERS,
    STATES,
    Algorithm,
    EncryptionKey,
    KeyRing,
    KeyRingError,
    SigningKey,
    State,
    encryption_kid,
    thumbprint,
)

logger = logging.getLogger(__name__)


def load(path: Path) -> KeyRing:
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
        return parse(text)
    except KeyRingError as error:
        raise KeyRingError(f"the key ring {path}: {error}") from None


def parse(text: bytes) -> KeyRing:
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
    found = [_parse_key(number, jwk) for number, jwk in enumerate(document["keys"], 1)]
    keys = tuple(key for key in found if isinstance(key, SigningKey))
    encryption = tuple(key for key in found if isinstance(key, EncryptionKey))
    kids = [key.kid for key in found]
    if duplicate := next((kid for kid in kids if kids.count(kid) > 1), None):
        raise KeyRingError(f"the key {duplicate} is there twice")
    active = [key.kid for key in keys if key.state == "active"]
    if len(active) != 1:
        raise KeyRingError(f"exactly one key must be active, {len(active)} are")
    encrypting = [key.kid for key in encryption if key.state == "active"]
    if encryption and len(encrypting) != 1:
        raise KeyRingError(f"exactly one encryption key must be active, {len(encrypting)} are")
    return KeyRing(keys, encryption)


def save(ring: KeyRing, path: Path) -> None:
    """Write the file so that a reader sees the old ring or the new one, and after a crash too.

    Raises:
        KeyRingError: the file cannot be written.
    """
    document = {"keys": [_to_member(key) for key in ring.all]}
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


def _parse_key(number: int, jwk: object) -> SigningKey | EncryptionKey:
    if not isinstance(jwk, dict):
        raise KeyRingError(f"key {number} is not an object")
    alg, state = jwk.get("alg"), jwk.get("state")
    if alg not in (*ALGORITHMS, ENCRYPTION):
        raise KeyRingError(f"key {number}: alg must be one of {', '.join(ALGORITHMS)}, {ENCRYPTION}")
    if state not in STATES:
        raise KeyRingError(f"key {number}: state must be one of {', '.join(STATES)}")
    kty, use = ("oct", "enc") if alg == ENCRYPTION else (KEY_TYPES[alg], "sig")
    if jwk.get("kty") != kty:
        raise KeyRingError(f"key {number}: kty must be {kty} for {alg}")
    # SECURITY: one of ours that encrypts says so; it must not sign by mistake
    if jwk.get("use", "sig") != use:
        raise KeyRingError(f"key {number}: use must be {use}")
    names = PUBLIC_MEMBERS[kty] + PRIVATE_MEMBERS[kty]
    members = {name: jwk.get(name) for name in names}
    if missing := [name for name, value in members.items() if not isinstance(value, str)]:
        raise KeyRingError(f"key {number}: {missing[0]} is missing")
    checked = cast(dict[str, str], members)
    if alg == ENCRYPTION:
        return _encryption_key(number, state, checked["k"], jwk)
    _check_strength(number, alg, checked)
    kid = _checked_kid(number, jwk, thumbprint(checked, kty))
    return SigningKey(kid, alg, state, *_times(number, jwk), checked)


def _encryption_key(number: int, state: State, text: str, jwk: dict[str, Any]) -> EncryptionKey:
    try:
        secret = base64url.decode(text)
    except ValueError:
        raise KeyRingError(f"key {number}: its members must be base64url") from None
    if len(secret) != ENCRYPTION_KEY_BYTES:
        raise KeyRingError(f"key {number}: an encryption key must have {ENCRYPTION_KEY_BYTES} bytes")
    kid = _checked_kid(number, jwk, encryption_kid(secret))
    return EncryptionKey(kid, state, *_times(number, jwk), secret)


def _checked_kid(number: int, jwk: dict[str, Any], expected: str) -> str:
    if jwk.get("kid") != expected:
        raise KeyRingError(f"key {number}: kid must be the key's RFC 7638 thumbprint")
    return expected


def _times(number: int, jwk: dict[str, Any]) -> tuple[datetime, datetime | None]:
    """When a key was made and retired; one that does not tell is as old as can be."""
    created_at = _timestamp(number, "created_at", jwk.get("created_at"))
    return created_at or datetime.fromtimestamp(0, UTC), _timestamp(number, "retired_at", jwk.get("retired_at"))


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


def _timestamp(number: int, name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_dumped_timestamp(str(value))
    except ValueError:
        raise KeyRingError(f"key {number}: {name} must be an RFC 3339 time") from None


def _to_member(key: SigningKey | EncryptionKey) -> dict[str, str]:
    if isinstance(key, SigningKey):
        member = {**key.private_jwk(), "use": "sig"}
    else:
        member = {"kty": "oct", "alg": ENCRYPTION, "kid": key.kid, "k": base64url.encode(key.secret), "use": "enc"}
    member |= {"state": key.state, "created_at": format_timestamp(key.created_at)}
    if key.retired_at is not None:
        member["retired_at"] = format_timestamp(key.retired_at)
    return member
