"""What is read and written in `attempts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from wutang_auth.database import Database
from wutang_auth.repository import sql


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an attempt."""

    admitted: bool
    wait: float
    """Seconds until the next one is let through."""
    known_address: bool
    """Whether it was counted for account and address together."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, and how long the wait after the next ones grows."""

    free: int
    max_wait: timedelta
    forget: timedelta
    """After so long without an attempt, counting begins anew."""
    exhausted: int = 2_147_483_647
    """So many failures in a row are the most; after them there is one attempt in `forget`."""


class AttemptRepository:
    """The `attempts` table: each attempt is one atomic statement, however many come at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, key: bytes, limit: Limit, *, turn: int, known_key: bytes | None = None, memory: timedelta = timedelta()
    ) -> Admission:
        """Count an attempt and tell whether it is let through.

        It is counted under `known_key` instead if a success is remembered there.
        """
        row = await self._database.fetchrow(
            sql.ATTEMPTS_COUNT, key=key, known_key=known_key or b"", memory=memory, turn=turn, free=limit.free,
            max_wait=limit.max_wait, forget=limit.forget, exhausted=limit.exhausted,
        )  # fmt: skip
        assert row is not None, "the statement always returns its row"  # noqa: S101 -- for the type checker
        return Admission(*row)

    async def forgive(
        self, *, refunded: list[bytes], cleared: Sequence[bytes] = (), remembered: bytes | None = None
    ) -> None:
        """Take back one attempt that was let through under each of some keys, and all of them under others.

        `remembered` is cleared too: the key of an account and the address from which it succeeded just now.
        """
        keys = [*refunded, *cleared] if remembered is None else [*refunded, *cleared, remembered]
        await self._database.fetch(sql.ATTEMPTS_FORGIVE, keys=keys, refunded=refunded, remembered=remembered or b"")

    async def prune(self, age: timedelta, batch: int = 1000) -> int:
        """Delete some rows that were not touched for so long; fewer than the batch means that none is left."""
        return len(await self._database.fetch(sql.ATTEMPTS_PRUNE, age=age, batch=batch))
