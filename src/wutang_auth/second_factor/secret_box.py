"""Secrets at rest: encrypted by AES-256-GCM, each bound to its user."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wutang_auth.errors import SecretUnreadable

_NONCE_BYTES: Final = 12  # NIST SP 800-38D section 8.2.2; by one key at most 2**32 secrets, which nobody has users for


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is stored."""

    kid: str
    """The key that opens it."""
    content: bytes = field(repr=False)
    """The nonce, then the ciphertext with its tag."""


class SecretBox:
    """Encrypts with one key, decrypts with every key that it has."""

    def __init__(self) -> None:
        self._kid: str | None = None
        self._keys: dict[str, AESGCM] = {}
        self._retired: frozenset[str] = frozenset()

    def use(self, kid: str | None, keys: Mapping[str, bytes], *, retired: Collection[str] = ()) -> None:
        """Encrypt with the key `kid` from now on, and decrypt with each of these, which have 32 bytes.

        What is encrypted with a `retired` one is to be encrypted again.
        """
        self._kid = kid
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._retired = frozenset(retired)

    def has(self, kid: str) -> bool:
        """Whether it has this key."""
        return kid in self._keys

    def is_outdated(self, sealed: SealedSecret) -> bool:
        """Whether it is to be encrypted again. Not with a key that comes next: another process may know more."""
        return sealed.kid in self._retired

    def seal(self, secret: bytes, *, user_id: int) -> SealedSecret:
        """Encrypt a user's secret.

        Raises:
            SecretUnreadable: there is no key that encrypts.
        """
        if self._kid is None:
            raise SecretUnreadable("no key encrypts second factors; run `wutang-auth keys generate --encryption`")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return SealedSecret(self._kid, nonce + self._keys[self._kid].encrypt(nonce, secret, _bound_to(user_id)))

    def open(self, sealed: SealedSecret, *, user_id: int) -> bytes:
        """Decrypt a user's secret.

        Raises:
            SecretUnreadable: its key is not there, or it was changed, or it is another user's.
        """
        key = self._keys.get(sealed.kid)
        if key is None:
            raise SecretUnreadable(
                f"the second factor of user {user_id} is encrypted with the key {sealed.kid}, which the key ring has"
                " not; put that key back, or run `wutang-auth users reset-factors`"
            )
        nonce, ciphertext = sealed.content[:_NONCE_BYTES], sealed.content[_NONCE_BYTES:]
        try:
            return key.decrypt(nonce, ciphertext, _bound_to(user_id))
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                f"the second factor of user {user_id} cannot be decrypted with the key {sealed.kid}: it was changed, or"
                " is another user's; run `wutang-auth users reset-factors`"
            ) from None


def _bound_to(user_id: int) -> bytes:
    # SECURITY: who can write to the database cannot give a user the secret of another one
    return f"totp:{user_id}".encode()
