"""The rule of refresh, row by row."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wutang_auth.repository import Rotation
from wutang_auth.service.refresh_rule import Outcome, outcome, parent_in_grace

STEPPED = Rotation(
    generation=5, stepped=True, confirmed_for=None, is_disabled=False, scopes=[], lifetime=60.0, at=datetime.now(UTC)
)
UNUSED = replace(STEPPED, stepped=False)
IN_GRACE = replace(UNUSED, confirmed_for=9.9)
AFTER_GRACE = replace(IN_GRACE, confirmed_for=10.0)
DISABLED = replace(IN_GRACE, is_disabled=True)
EXPIRED = replace(IN_GRACE, lifetime=0.0)


@pytest.mark.parametrize(
    ("given", "found", "expected"),
    [
        (4, None, "ended"),
        (4, DISABLED, "ended"),
        (4, replace(DISABLED, lifetime=-1.0), "ended"),
        (6, IN_GRACE, "ended"),
        (4, EXPIRED, "expired"),
        (3, EXPIRED, "expired"),
        (5, EXPIRED, "expired"),
        (4, replace(AFTER_GRACE, lifetime=-1.0), "expired"),
        (4, STEPPED, "advanced"),
        (4, replace(STEPPED, confirmed_for=60.0), "advanced"),
        (4, UNUSED, "replayed"),
        (4, IN_GRACE, "replayed"),
        (4, AFTER_GRACE, "reused"),
        (3, UNUSED, "reused"),
        (3, IN_GRACE, "reused"),
        (3, AFTER_GRACE, "reused"),
        (0, IN_GRACE, "reused"),
        (3, STEPPED, "reused"),  # another one stepped in the same microsecond
        (5, IN_GRACE, "reused"),  # the statement would have stepped
    ],
)
def test_outcome(given: int, found: Rotation | None, expected: Outcome) -> None:
    assert outcome(given, found, grace=10) == expected


def test_only_the_parent_is_in_grace_and_only_while_it_lasts() -> None:
    assert [given for given in range(8) if parent_in_grace(given, IN_GRACE, grace=10)] == [4]
    assert not any(parent_in_grace(given, AFTER_GRACE, grace=10) for given in range(8))
