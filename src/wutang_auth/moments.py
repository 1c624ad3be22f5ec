"""Points in time, from text."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse_moment(text: str, *, utc_by_default: bool = False) -> datetime:
    """A moment in RFC 3339; without an offset, as MySQL writes it, only where that is to mean UTC.

    Raises:
        ValueError: no such moment.
    """
    parts = _RFC3339.fullmatch(text)
    if parts is None or (parts[3] is None and not utc_by_default):
        raise ValueError("not a moment")
    day, time, offset = parts.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}{(offset or 'Z').upper()}").astimezone(UTC)
    except OverflowError:
        raise ValueError("not a moment") from None
