"""The statements on `attempts`."""

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
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlmodel import col

from wutang_auth.models import Attempt

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


_is_free = col(Attempt.free_at) <= _now
_is_stale = and_(_is_free, col(Attempt.last_at) < _now - bindparam("forget", type_=Interval()))
_next = case((_is_stale, 1), else_=col(Attempt.failures) + 1)
_first = bindparam("key", type_=LargeBinary())
_known = exists().where(
    col(Attempt.key) == bindparam("known_key", type_=LargeBinary()),
    col(Attempt.succeeded_at) > _now - bindparam("memory", type_=Interval()),
)

COUNT: ClauseElement = (
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

_forgiven = func.unnest(bindparam("keys", type_=ARRAY(LargeBinary()))).column_valued("forgiven")
_is_remembered = col(Attempt.key) == bindparam("remembered", type_=LargeBinary())
_is_refunded = col(Attempt.key) == func.any(bindparam("refunded", type_=ARRAY(LargeBinary())))
FORGIVE = (
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

_old = (
    select(col(Attempt.key))
    .where(
        col(Attempt.last_at) < _now - bindparam("age", type_=Interval()),
        col(Attempt.free_at) < _now,
    )
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)

PRUNE = delete(Attempt).where(col(Attempt.key).in_(_old)).returning(col(Attempt.key))
