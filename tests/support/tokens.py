"""Tokens: what they hold, and how to forge them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jwt

from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import SigningKey

EXPIRED = 1_700_000_000  # an `exp` that is past


@dataclass
class Forge:
    """Signs anything with the service's own key, as no service would; by another library than the service's."""

    key: SigningKey

    def sign(self, header: bytes | dict[str, Any], claims: bytes | dict[str, Any]) -> str:
        """A token of these two parts, whatever they are."""
        signed = f"{encode_segment(header)}.{encode_segment(claims)}"
        return f"{signed}.{self.signature(signed)}"

    def signature(self, signed: str) -> str:
        """The signature of this text."""
        return encode_segment(self._sign(signed.encode()))

    @cached_property
    def _sign(self) -> Callable[[bytes], bytes]:
        algorithm = jwt.get_algorithm_by_name(self.key.alg)
        return partial(algorithm.sign, key=algorithm.from_jwk(json.dumps(self.key.private_jwk())))

    def changed(self, token: str, header: dict[str, Any] = {}, **claims: Any) -> str:  # noqa: B006 -- never changed
        """A genuine token with other values, signed again; `...` leaves a member out."""
        return self.sign(_merged(header_of(token), header), _merged(claims_of(token), claims))


def forge(settings: Settings) -> Forge:
    """A forge with the key that signs for a service of these settings."""
    return Forge(key_file.load(settings.keys_file).active)


def _merged(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not ...}


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def header_of(token: str) -> dict[str, Any]:
    """What the first segment of a token says."""
    return decode_segment(token.split(".", 1)[0])


def claims_of(token: str) -> dict[str, Any]:
    """What the second segment of a token says."""
    return decode_segment(token.split(".")[1])


def encode_segment(value: bytes | dict[str, Any]) -> str:
    """A segment of a token."""
    content = json.dumps(value).encode() if isinstance(value, dict) else value
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_segment(segment: str) -> dict[str, Any]:
    """The JSON of a token's segment."""
    document: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return document
