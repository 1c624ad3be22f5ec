"""Slows down guessing, by account and by client address.

An attempt is counted before its password is looked at, so that a burst counts exactly. Some failures cost no wait,
then each doubles it. What is refused while waiting does not prolong the wait: nobody can be locked out for ever by
others. An account that lately succeeded from an address is counted for that address alone, so that its owner gets in
while strangers hammer on it; and an address that is refused is not counted for the account.
"""

import asyncio
import ipaddress
import math
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from wutang_auth.errors import TooManyAttempts
from wutang_auth.fields import canonical_email
from wutang_auth.observability.observers import Throttled
from wutang_auth.repository import AttemptKeys, AttemptRepository, ThrottlePolicy

# NIST SP 800-63B-4 section 3.2.2: at most 100 failures in a row
_MAX_FAILURES = 100
_MEMORY = timedelta(days=30)

# A login that is refused unseen costs little, but thousands a second take the event loop from those who are logged in;
# with this pause a connection that asks again at once has twenty a second. It varies, so that they come back apart.
_REFUSAL_SECONDS = (0.03, 0.07)


async def pause_before_refusal() -> None:
    """Wait a little before a login is refused that nobody looked at."""
    await asyncio.sleep(random.uniform(*_REFUSAL_SECONDS))  # noqa: S311 -- no secret


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was let through."""

    keys: AttemptKeys
    known_address: bool


class Throttle:
    """Counts attempts and makes guessers wait."""

    def __init__(
        self,
        attempts: AttemptRepository,
        *,
        account_allowed_failures: int,
        address_allowed_failures: int,
        max_wait: int,
        reset_after: int,
        max_failures: int = _MAX_FAILURES,
        first_wait: int = 1,
        bucket: str = "",
        subject: Throttled = "account",
        observer: Callable[[Throttled], None] | None = None,
    ) -> None:
        """Times are seconds; what is counted in one bucket does not count in another.

        The observer is told of each refusal, and what had to wait: an address, or the subject.
        """
        self._subject = subject
        self._observer = observer
        self._attempts = attempts
        self._bucket = bucket
        self._policy = ThrottlePolicy(
            account_allowed_failures=account_allowed_failures,
            address_allowed_failures=address_allowed_failures,
            max_wait=timedelta(seconds=max_wait),
            max_failures=max_failures,
            reset_after=timedelta(seconds=reset_after),
            memory=_MEMORY,
            first_wait=timedelta(seconds=first_wait),
        )

    async def admit(self, account: str, ip: str | None) -> Attempt:
        """Count an attempt on this account, mostly an e-mail, from this address.

        Raises:
            TooManyAttempts: it has to wait; the password must not be looked at.
        """
        keys = attempt_keys(account, ip, self._bucket)
        admission = await self._attempts.admit(keys, self._policy, nonce=secrets.randbits(62) + 1)
        if not admission.admitted:
            if self._observer is not None:
                self._observer("address" if admission.address_waits else self._subject)
            raise TooManyAttempts(max(1, math.ceil(admission.wait)))
        return Attempt(keys, admission.known_address)

    def earlier(self, account: str, ip: str | None) -> Attempt:
        """The attempt that a request before this one made."""
        return Attempt(attempt_keys(account, ip, self._bucket), known_address=False)

    async def forgive(self, attempt: Attempt) -> None:
        """The password was right: clear the account, and do not count this attempt for the address."""
        await self._attempts.forgive(attempt.keys)

    async def refund(self, attempt: Attempt) -> None:
        """The password was not looked at: do not count this attempt at all."""
        await self._attempts.refund(attempt.keys, known_address=attempt.known_address)

    async def prune(self, batch: int) -> int:
        """Delete some rows that no longer matter."""
        return await self._attempts.prune(_MEMORY, batch)


def attempt_keys(account: str, ip: str | None, bucket: str = "") -> AttemptKeys:
    """What an attempt on this account from this address is counted for."""
    account = canonical_email(account)
    address = _network(ip)
    return AttemptKeys(
        address=_digest(f"{bucket}address", address),
        account=_digest(f"{bucket}account", account),
        account_at_address=_digest(f"{bucket}both", account, address),
    )


def _network(ip: str | None) -> str:
    """The address, or for IPv6 its /64, of which one subscriber has all (RFC 6177)."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return ""
    if address.version == 6:
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def _digest(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode()).digest()[:16]
