"""The statements on `attempts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Double,
    Integer,
    Interval,
    LargeBinary,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col

from wutang_auth.database import Database, Statement
from wutang_auth.models import Attempt


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


# not now(): a statement that waited for the row would look at it with the time at which it came
_now = func.clock_timestamp(type_=DateTime(timezone=True))


def _wait(failures: ColumnElement[int]) -> ColumnElement[timedelta]:
    """Nothing while failures are free, then 1 s, 2 s, 4 s … up to the longest."""
    free: ColumnElement[int] = bindparam("free", type_=Integer())
    doubled = func.power(2.0, func.least(failures - free, 20)) * literal_column("interval '1 second'", Interval())
    wait: ColumnElement[timedelta] = case(
        (failures < free, literal_column("interval '0'", Interval())),
        (failures >= bindparam("exhausted", type_=Integer()), bindparam("forget", type_=Interval())),
        else_=func.least(doubled, bindparam("max_wait", type_=Interval())),
    )
    return wait


class AttemptRepository:
    """The `attempts` table: each attempt is one atomic statement, however many come at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _is_free = col(Attempt.free_at) <= _now
    _is_stale = and_(_is_free, col(Attempt.last_at) < _now - bindparam("forget", type_=Interval()))
    _next = case((_is_stale, 1), else_=col(Attempt.failures) + 1)
    _first = bindparam("key", type_=LargeBinary())
    _known = exists().where(
        col(Attempt.key) == bindparam("known_key", type_=LargeBinary()),
        col(Attempt.succeeded_at) > _now - bindparam("memory", type_=Interval()),
    )
    _COUNT = Statement(
        insert(Attempt)
        .from_select(
            ["key", "attempts", "failures", "turn", "last_at", "free_at"],
            select(
                case((_known, bindparam("known_key", type_=LargeBinary())), else_=_first),
                literal_column("1"),
                literal_column("1"),
                bindparam("turn", type_=BigInteger()),
                _now,
                _now + _wait(literal_column("1", Integer())),
            ),
        )
        .on_conflict_do_update(
            index_elements=[col(Attempt.key)],
            set_={
                "attempts": case((_is_stale, 1), else_=col(Attempt.attempts) + 1),
                "failures": case((_is_free, _next), else_=col(Attempt.failures)),
                "turn": case((_is_free, literal_column("excluded.turn")), else_=col(Attempt.turn)),
                "free_at": case((_is_free, _now + _wait(_next)), else_=col(Attempt.free_at)),
                "last_at": _now,
            },
        )
        .returning(
            (col(Attempt.turn) == bindparam("turn", type_=BigInteger())).label("admitted"),
            cast(func.extract("epoch", col(Attempt.free_at) - _now), Double()).label("wait"),
            (col(Attempt.key) == bindparam("known_key", type_=LargeBinary())).label("known_address"),
        )
    )

    async def count(
        self, key: bytes, limit: Limit, *, turn: int, known_key: bytes | None = None, memory: timedelta = timedelta()
    ) -> Admission:
        """Count an attempt and tell whether it is let through.

        It is counted under `known_key` instead if a success is remembered there.
        """
        row = await self._database.fetchrow(
            self._COUNT, key=key, known_key=known_key or b"", memory=memory, turn=turn, free=limit.free,
            max_wait=limit.max_wait, forget=limit.forget, exhausted=limit.exhausted,
        )  # fmt: skip
        assert row is not None, "the statement always returns its row"  # noqa: S101 -- for the type checker
        return Admission(*row)

    _forgiven = func.unnest(bindparam("keys", type_=ARRAY(LargeBinary()))).column_valued("forgiven")
    _is_remembered = col(Attempt.key) == bindparam("remembered", type_=LargeBinary())
    _is_refunded = col(Attempt.key) == func.any(bindparam("refunded", type_=ARRAY(LargeBinary())))
    _FORGIVE = Statement(
        insert(Attempt)
        .from_select(
            ["key", "attempts", "failures", "turn", "last_at", "free_at", "succeeded_at"],
            select(
                _forgiven, *[literal_column("0")] * 3, _now, _now,
                case((_forgiven == bindparam("remembered", type_=LargeBinary()), _now)),
            )
            # locked in one order, so that two that succeed at once do not wait for each other in a circle
            .order_by(_forgiven),
        )
        .on_conflict_do_update(
            index_elements=[col(Attempt.key)],
            set_={
                "attempts": case((_is_refunded, func.greatest(col(Attempt.attempts) - 1, 0)), else_=0),
                "failures": case((_is_refunded, func.greatest(col(Attempt.failures) - 1, 0)), else_=0),
                "last_at": case((_is_remembered, _now), else_=col(Attempt.last_at)),
                "free_at": _now,
                "succeeded_at": case((_is_remembered, _now), else_=col(Attempt.succeeded_at)),
            },
        )
    )  # fmt: skip

    async def forgive(
        self, *, refunded: list[bytes], cleared: Sequence[bytes] = (), remembered: bytes | None = None
    ) -> None:
        """Take back one attempt that was let through under each of some keys, and all of them under others.

        `remembered` is cleared too: the key of an account and the address from which it succeeded just now.
        """
        keys = [*refunded, *cleared] if remembered is None else [*refunded, *cleared, remembered]
        await self._database.fetch(self._FORGIVE, keys=keys, refunded=refunded, remembered=remembered or b"")

    _old = (
        select(col(Attempt.key))
        .where(
            col(Attempt.last_at) < _now - bindparam("age", type_=Interval()),
            col(Attempt.free_at) < _now,
        )
        .limit(bindparam("batch"))
        .with_for_update(skip_locked=True)
    )
    _PRUNE = Statement(delete(Attempt).where(col(Attempt.key).in_(_old)).returning(col(Attempt.key)))

    async def prune(self, age: timedelta, batch: int = 1000) -> int:
        """Delete some rows that were not touched for so long; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self._PRUNE, age=age, batch=batch))
