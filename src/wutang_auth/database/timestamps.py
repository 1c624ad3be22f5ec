"""Timestamps from the database: every one that PostgreSQL can hold is read, and none is written differently."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from wutang_auth.fields import EARLIEST, LATEST

_OID = 1184  # of timestamptz, in every PostgreSQL
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read_all(raw: "asyncpg.Connection[Any]") -> None:
    """Let a new connection read times that Python has not as the nearest one that it has.

    asyncpg's own codec raises at years before 1 and after 9999, and makes times without a zone of infinity, so that one
    such row, which another program has written, would stop a whole list. This one takes no longer. asyncpg's
    `set_type_codec` does the same after asking the server for the type, at each connect.
    """
    raw.get_settings().add_python_codec(_OID, "timestamptz", "pg_catalog", [], "scalar", _encode, _decode, "tuple")


def _encode(value: datetime) -> tuple[int]:
    return ((value - _EPOCH) // _MICROSECOND,)


def _decode(microseconds: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return LATEST if microseconds[0] > 0 else EARLIEST
