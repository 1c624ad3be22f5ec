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
    not_,
    or_,
    select,
    true,
    union_all,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlmodel import col

from wutang_auth.models import Attempt

# not now(): a statement that waited for the row would look at it with the time at which it came
_now = func.clock_timestamp(type_=DateTime(timezone=True))

_address = bindparam("address", type_=LargeBinary())
_account = bindparam("account", type_=LargeBinary())
_both = bindparam("both", type_=LargeBinary())
_turn = bindparam("turn", type_=BigInteger())
_address_free = bindparam("address_free", type_=Integer())
_account_free = bindparam("account_free", type_=Integer())
_forget = bindparam("forget", type_=Interval())

_is_free = col(Attempt.free_at) <= _now
_is_stale = and_(_is_free, col(Attempt.last_at) < _now - _forget)
_is_address = col(Attempt.key) == _address
_next = case((_is_stale, 1), else_=col(Attempt.failures) + 1)


def _wait(failures: ColumnElement[int], free: ColumnElement[int]) -> ColumnElement[timedelta]:
    """Nothing while failures are free, then 1 s, 2 s, 4 s … up to the longest."""
    doubled = func.power(2.0, func.least(failures - free, 20)) * literal_column("interval '1 second'", Interval())
    wait: ColumnElement[timedelta] = case(
        (failures < free, literal_column("interval '0'", Interval())),
        else_=func.least(doubled, bindparam("max_wait", type_=Interval())),
    )
    return wait


# The address first and held, so that of many at once none finds a turn for the account that it has not for the address.
# Every statement takes rows in this order, address, account, both, so that none wait for each other in a circle.
_origin = select(_is_free.label("is_free")).where(_is_address).with_for_update().cte("origin")
_known = exists().where(
    col(Attempt.key) == _both, col(Attempt.succeeded_at) > _now - bindparam("memory", type_=Interval())
)
_tried = union_all(
    select(literal_column("1").label("place"), _address.label("key"), _address_free.label("free")),
    select(literal_column("2"), case((_known, _both), else_=_account), _account_free),
).subquery("tried")
ADMIT: ClauseElement = (
    insert(Attempt)
    .from_select(
        ["key", "attempts", "failures", "turn", "last_at", "free_at"],
        select(
            _tried.c.key, literal_column("1"), literal_column("1"), _turn, _now,
            _now + _wait(literal_column("1", Integer()), _tried.c.free),
        )
        .select_from(_tried.outerjoin(_origin, true()))
        .where(or_(_tried.c.place == 1, _origin.c.is_free.isnot(False)))
        .order_by(_tried.c.place),
    )
    .on_conflict_do_update(
        index_elements=[col(Attempt.key)],
        set_={
            "attempts": case((_is_stale, 1), else_=col(Attempt.attempts) + 1),
            "failures": case((_is_free, _next), else_=col(Attempt.failures)),
            "turn": case((_is_free, literal_column("excluded.turn")), else_=col(Attempt.turn)),
            "free_at": case(
                (not_(_is_free), col(Attempt.free_at)),
                (and_(not_(_is_address), _next >= bindparam("exhausted", type_=Integer())), _now + _forget),
                else_=_now + _wait(_next, case((_is_address, _address_free), else_=_account_free)),
            ),
            "last_at": _now,
        },
    )
    .returning(
        (col(Attempt.turn) == _turn).label("admitted"),
        cast(func.extract("epoch", col(Attempt.free_at) - _now), Double()).label("wait"),
        (col(Attempt.key) == _both).label("known_address"),
    )
)  # fmt: skip

_keys = (
    func.unnest(bindparam("keys", type_=ARRAY(LargeBinary())))
    .table_valued("key", with_ordinality="place")
    .render_derived("forgiven")
)
_is_remembered = col(Attempt.key) == bindparam("remembered", type_=LargeBinary())
_is_refunded = col(Attempt.key) == func.any(bindparam("refunded", type_=ARRAY(LargeBinary())))
FORGIVE = (
    insert(Attempt)
    .from_select(
        ["key", "attempts", "failures", "turn", "last_at", "free_at", "succeeded_at"],
        select(
            _keys.c.key, *[literal_column("0")] * 3, _now, _now,
            case((_keys.c.key == bindparam("remembered", type_=LargeBinary()), _now)),
        ).order_by(_keys.c.place),
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
