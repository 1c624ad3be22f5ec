"""argon2id as new passwords are hashed, by two libraries that write and read the same text.

OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. libsodium takes half the time of argon2-cffi on processors
with AVX-512, and is never slower by much; argon2-cffi behind passlib is always there.
"""

import re
import secrets
import time
from base64 import b64encode
from functools import cache
from typing import Protocol

from passlib.hash import argon2

MEMORY_KIB = 19456
PASSES = 2
PREFIX = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$"
"""How each of these hashes begins."""

_OURS = re.compile(re.escape(PREFIX) + "[A-Za-z0-9+/]{22}[$][A-Za-z0-9+/]{43}")
_TRIALS = 2


class Argon2id(Protocol):
    """One library's argon2id."""

    def hash(self, password: str) -> str:
        """The hash of a password, with a random salt of 16 bytes."""

    def verify(self, password: str, stored_hash: str) -> bool:
        """Whether a hash for which `is_ours` holds is that of the password."""


def is_ours(stored_hash: str) -> bool:
    """Whether both libraries compute this hash: argon2id of our strength, with a salt of 16 and a sum of 32 bytes."""
    return _OURS.fullmatch(stored_hash) is not None


def unmatched_hash() -> str:
    """A hash that no password matches, and that takes as long to find out as any other: its sum is random."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    return f"{PREFIX}{salt}${digest}"


class PasslibArgon2id:
    """argon2-cffi, behind passlib."""

    def __init__(self) -> None:
        self._argon2 = argon2.using(type="ID", memory_cost=MEMORY_KIB, time_cost=PASSES, parallelism=1)

    def hash(self, password: str) -> str:
        """The hash of a password, with a random salt of 16 bytes."""
        hashed: str = self._argon2.hash(password)
        return hashed

    def verify(self, password: str, stored_hash: str) -> bool:
        """Whether a hash for which `is_ours` holds is that of the password."""
        return bool(self._argon2.verify(password, stored_hash))


class SodiumArgon2id:
    """libsodium, by PyNaCl. Importing it takes 20 ms, so only who uses it does."""

    def __init__(self) -> None:
        from nacl.exceptions import InvalidkeyError
        from nacl.pwhash import argon2id

        self._argon2id = argon2id
        self._mismatch = InvalidkeyError

    def hash(self, password: str) -> str:
        """The hash of a password, with a random salt of 16 bytes."""
        hashed: bytes = self._argon2id.str(password.encode(), opslimit=PASSES, memlimit=MEMORY_KIB * 1024)
        return hashed.decode()

    def verify(self, password: str, stored_hash: str) -> bool:
        """Whether a hash for which `is_ours` holds is that of the password."""
        try:
            return bool(self._argon2id.verify(stored_hash.encode(), password.encode()))
        except self._mismatch:
            return False


@cache
def fastest() -> Argon2id:
    """The library that is faster on this processor; trying both takes some 0.1 s, once a process."""
    libraries: list[Argon2id] = [SodiumArgon2id(), PasslibArgon2id()]
    return min(libraries, key=_cpu_seconds)


def _cpu_seconds(library: Argon2id) -> float:
    found = []
    for _ in range(_TRIALS):
        started = time.thread_time()
        library.hash("trial")
        found.append(time.thread_time() - started)
    return min(found)
