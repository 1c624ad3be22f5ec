"""The statements on `attempts`."""

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
    update,
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

    _REMEMBER = Statement(
        insert(Attempt)
        .values(key=bindparam("key"), attempts=0, failures=0, turn=0, last_at=_now, free_at=_now, succeeded_at=_now)
        .on_conflict_do_update(
            index_elements=[col(Attempt.key)],
            set_={"attempts": 0, "failures": 0, "last_at": _now, "free_at": _now, "succeeded_at": _now},
        )
    )

    async def remember(self, key: bytes) -> None:
        """Keep in mind that this account succeeded from this address."""
        await self._database.fetch(self._REMEMBER, key=key)

    # locked in one order, so that two that succeed at once do not wait for each other in a circle
    _locked = (
        select(col(Attempt.key))
        .where(col(Attempt.key) == func.any(bindparam("keys", type_=ARRAY(LargeBinary()))))
        .order_by(col(Attempt.key))
        .with_for_update()
        .cte("locked")
    )
    _is_cleared = col(Attempt.key) == bindparam("cleared", type_=LargeBinary())
    _FORGIVE = Statement(
        update(Attempt)
        .where(col(Attempt.key).in_(select(_locked.c.key)))
        .values(
            attempts=case((_is_cleared, 0), else_=func.greatest(col(Attempt.attempts) - 1, 0)),
            failures=case((_is_cleared, 0), else_=func.greatest(col(Attempt.failures) - 1, 0)),
            free_at=_now,
        )
    )

    async def forgive(self, *, refunded: list[bytes], cleared: bytes = b"") -> None:
        """Take back one attempt that was let through under each key, and all under the one that is cleared."""
        await self._database.fetch(self._FORGIVE, keys=[cleared, *refunded], cleared=cleared)

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
