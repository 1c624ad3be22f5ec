"""What is read and written in `attempts`."""

from dataclasses import dataclass
from datetime import timedelta

from wutang_auth.database import Database
from wutang_auth.repository import sql


@dataclass(frozen=True, slots=True)
class Keys:
    """What an attempt is counted for."""

    address: bytes
    account: bytes
    both: bytes
    """The account from this address, which is counted instead of the account where a success is remembered."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many failures are free, and how long the wait after the next ones grows."""

    address_free: int
    account_free: int
    max_wait: timedelta
    exhausted: int
    """So many failures in a row are the most for an account; after them there is one attempt in `forget`."""
    forget: timedelta
    """After so long without an attempt, counting begins anew."""
    memory: timedelta
    """So long a success is remembered."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an attempt."""

    admitted: bool
    wait: float
    """Seconds until the next one is let through."""
    known_address: bool
    """Whether it was counted for account and address together."""


class AttemptRepository:
    """The `attempts` table: each attempt is one atomic statement, however many come at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, keys: Keys, limits: Limits, *, turn: int) -> Admission:
        """Count an attempt for its address and, unless that has to wait, for its account; `turn` is a random number."""
        rows = await self._database.fetch(
            sql.ATTEMPTS_ADMIT, address=keys.address, account=keys.account, both=keys.both, turn=turn,
            address_free=limits.address_free, account_free=limits.account_free, max_wait=limits.max_wait,
            exhausted=limits.exhausted, forget=limits.forget, memory=limits.memory,
        )  # fmt: skip
        return Admission(
            admitted=len(rows) == 2 and all(row["admitted"] for row in rows),
            wait=max(row["wait"] for row in rows),
            known_address=any(row["known_address"] for row in rows),
        )

    async def forgive(self, keys: Keys) -> None:
        """Take back one attempt of the address and all of the account, and remember where it succeeded just now."""
        await self._forgive([keys.address, keys.account, keys.both], refunded=[keys.address], remembered=keys.both)

    async def refund(self, keys: Keys, *, known_address: bool) -> None:
        """Take back one attempt, wherever it was counted."""
        refunded = [keys.address, keys.both if known_address else keys.account]
        await self._forgive(refunded, refunded=refunded)

    async def _forgive(self, keys: list[bytes], *, refunded: list[bytes], remembered: bytes = b"") -> None:
        await self._database.fetch(sql.ATTEMPTS_FORGIVE, keys=keys, refunded=refunded, remembered=remembered)

    async def prune(self, age: timedelta, batch: int = 1000) -> int:
        """Delete some rows that were not touched for so long; fewer than the batch means that none is left."""
        return len(await self._database.fetch(sql.ATTEMPTS_PRUNE, age=age, batch=batch))
