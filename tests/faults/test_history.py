"""The checker itself: it must see what it is there for, and blame nobody for what was merely not answered."""

from typing import Any

import pytest

from faults.history import Operation, judge

GRACE = 10.0


def did(kind: Any, begun: float, outcome: Any = "ok", **more: Any) -> Operation:
    """An operation of a tenth of a second on a session."""
    return Operation(**{"kind": kind, "outcome": outcome, "begun": begun, "ended": begun + 0.1, "session": "s", **more})


LOGIN = did("login", 0, issued=0)
REFRESH = did("refresh", 1, issued=1)
USE = did("me", 1.2, generation=1)
LOGOUT = did("logout", 5, generation=1)


@pytest.mark.parametrize(
    "history",
    [
        [LOGIN, did("me", 1), did("logout", 2), did("me", 3, "refused")],
        [LOGIN, did("me", 1, "unknown"), did("logout", 2, "unknown"), did("me", 3)],
        [LOGIN, did("logout", 2, "unknown"), did("me", 3), did("logout", 4, "refused")],
        [LOGIN, did("logout", 2), did("me", 2.05)],  # at the same time
        [LOGIN, REFRESH, USE, did("me", 11.1), did("me", 11.4, "refused"), did("me", 30, generation=1)],
        [LOGIN, REFRESH, did("me", 30), did("refresh", 60, issued=1), did("me", 61, generation=1)],
        [LOGIN, REFRESH, did("me", 2, "unknown", generation=1), did("me", 30, "refused")],
        [LOGIN, did("refresh", 1, "unknown"), did("refresh", 2, issued=1), did("me", 3, generation=1)],
        [LOGIN, REFRESH, did("refresh", 1, issued=1), did("refresh", 2, issued=2, generation=1)],
        [LOGIN, did("refresh", 1, "unknown"), did("refresh", 20, issued=1), did("me", 21, generation=1)],
        [LOGIN, REFRESH, USE, did("refresh", 20, "refused"), did("me", 21, "refused", generation=1)],
        [LOGIN, REFRESH, did("refresh", 2, "unknown", generation=1), did("me", 12, "refused")],
        [LOGIN, did("logout", 1, "never"), did("me", 2)],
    ],
)
def test_what_can_be_explained_is_nobodys_fault(history: list[Operation]) -> None:
    verdict = judge(history, grace=GRACE)
    assert verdict.forgotten == verdict.wrongly_accepted == verdict.otherwise_wrong == []


@pytest.mark.parametrize(
    "history",
    [
        [LOGIN, did("logout", 1), did("me", 2)],
        [LOGIN, did("logout", 1), did("refresh", 2, issued=1)],
        [LOGIN, did("logout", 1), did("logout", 2)],
        [LOGIN, did("logout", 1, "unknown"), did("logout", 2, "refused"), did("me", 3)],
        [LOGIN, REFRESH, LOGOUT, did("me", 6)],
    ],
)
def test_log_out_that_does_not_hold_is_forgotten(history: list[Operation]) -> None:
    assert len(judge(history, grace=GRACE).forgotten) == 1


@pytest.mark.parametrize(
    "history",
    [
        [LOGIN, REFRESH, USE, did("me", 11.4)],
        [LOGIN, REFRESH, did("refresh", 2, generation=1, issued=2), did("me", 2.2)],
        [LOGIN, REFRESH, USE, did("refresh", 11.4, issued=1)],
        [did("intrusion", 1, session="")],
    ],
)
def test_token_whose_time_is_over_is_wrongly_accepted(history: list[Operation]) -> None:
    assert len(judge(history, grace=GRACE).wrongly_accepted) == 1


@pytest.mark.parametrize(
    "history",
    [
        [LOGIN, did("me", 1, "refused")],
        [LOGIN, did("me", 1, "unknown"), did("logout", 2, "refused")],
        [LOGIN, REFRESH, did("me", 2, "refused", generation=1)],
        [LOGIN, REFRESH, did("me", 2, "refused")],
        [LOGIN, REFRESH, did("refresh", 2, "refused")],
        [LOGIN, did("refresh", 1, "unknown"), did("refresh", 2, "refused")],
        [LOGIN, did("refresh", 1, "unknown"), did("refresh", 20, "refused")],
        [LOGIN, REFRESH, did("me", 30, "refused")],
        [LOGIN, REFRESH, USE, did("refresh", 3, "refused")],
        [LOGIN, did("refresh", 1, issued=2)],
        [did("login", 0, "refused", session="")],
        [did("me", 0, "wrong", remark="500")],
    ],
)
def test_what_was_promised_and_does_not_work_is_wrong(history: list[Operation]) -> None:
    assert len(judge(history, grace=GRACE).otherwise_wrong) == 1
