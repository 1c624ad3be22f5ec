"""Hashes of passwords: argon2id for new ones, argon2 and bcrypt of other systems and strengths for stored ones."""

import logging
import re
import time
import unicodedata
from dataclasses import dataclass, field

from passlib.hash import argon2, bcrypt

from wutang_auth.passwords.argon2id import PREFIX, Argon2id, is_ours

logger = logging.getLogger(__name__)

MAX_LENGTH = 1024  # code points
_BCRYPT_BYTES = 72

# SECURITY: a planted hash must not stop the service; these take about 2 s
_MAX_BCRYPT_ROUNDS = 15
_MAX_ARGON2_KIB_PASSES = 2_097_152
_MAX_ARGON2_KIB = 524_288
_MAX_ARGON2_LANES = 64
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password matches a stored hash."""

    matches: bool
    seconds: float
    """How long the comparison took."""
    cpu_seconds: float
    """How much processor time it took."""
    upgraded_hash: str | None = field(default=None, repr=False)
    """The hash to store instead, where that one is outdated."""


def hash_password(argon2id: Argon2id, password: str) -> str:
    """The hash of a new password, as it is stored; takes 10 to 20 ms of processor time and 19 MiB."""
    return argon2id.hash(unicodedata.normalize("NFC", password))


def verify_password(argon2id: Argon2id, password: str, stored_hash: str, may_upgrade: bool) -> Verdict:
    """Compare; a hash that cannot be used matches nothing, after as much work as any other."""
    started, started_cpu = time.monotonic(), time.thread_time()
    try:
        matches = _matches(argon2id, password, stored_hash)
    except (ValueError, TypeError):  # libpass's errors are all ValueError or TypeError
        logger.error("a stored password hash cannot be used: unknown form or absurd cost")
        hash_password(argon2id, password)  # SECURITY: such an account takes as long as any other
        matches = False
    seconds, cpu_seconds = time.monotonic() - started, time.thread_time() - started_cpu
    upgrade = matches and may_upgrade and _is_outdated(stored_hash)
    return Verdict(matches, seconds, cpu_seconds, hash_password(argon2id, password) if upgrade else None)


def is_usable(stored_hash: str) -> bool:
    """Whether a login can be compared with this hash: bcrypt or argon2, whole, and of no absurd cost."""
    try:
        _ensure_usable(stored_hash)
    except (ValueError, TypeError):
        return False
    return True


def _ensure_usable(stored_hash: str) -> None:
    if (plain := _BCRYPT.fullmatch(stored_hash)) and int(plain[1]) <= _MAX_BCRYPT_ROUNDS:
        return  # as nearly all are, in a twentieth of the time that libpass takes
    if not stored_hash.startswith("$argon2"):
        parsed = bcrypt.from_string(stored_hash)
        if parsed.checksum is None or parsed.rounds > _MAX_BCRYPT_ROUNDS:
            raise ValueError("no checksum, or absurd cost")
        return
    parsed = argon2.from_string(stored_hash)
    if (
        parsed.type == "d"
        or parsed.memory_cost > _MAX_ARGON2_KIB
        or parsed.memory_cost * parsed.rounds > _MAX_ARGON2_KIB_PASSES
        or parsed.parallelism > _MAX_ARGON2_LANES
    ):
        raise ValueError("absurd cost")


def _matches(argon2id: Argon2id, password: str, stored_hash: str) -> bool:
    if is_ours(stored_hash):
        return any(argon2id.verify(form, stored_hash) for form in _forms(password))
    _ensure_usable(stored_hash)
    if stored_hash.startswith("$argon2"):
        return any(argon2.verify(form, stored_hash) for form in _forms(password))
    # PHP and every other bcrypt look at 72 bytes; bcrypt 5 raises instead
    return any(bcrypt.verify(form.encode()[:_BCRYPT_BYTES], stored_hash) for form in _forms(password))


def _forms(password: str) -> set[str]:
    """The password as sent, as other systems hashed it, and in NFC, as this one does."""
    return {password, unicodedata.normalize("NFC", password)}


def _is_outdated(stored_hash: str) -> bool:
    return not stored_hash.startswith(PREFIX)
