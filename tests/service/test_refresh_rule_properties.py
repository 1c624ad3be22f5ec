"""The rule of refresh in time: an owner whose answers get lost, and one who stole a token."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from wutang_auth.repository import Rotation, SessionState
from wutang_auth.service.refresh_rule import Outcome, outcome, parent_in_grace

GRACE = 10
NOW = datetime.now(UTC)

SECONDS = st.sampled_from([0, 1, GRACE - 1, GRACE, GRACE + 1, 86_400])
ACTS = st.sampled_from(["refresh", "look"])


@dataclass
class Row:
    """A session as the statements of the repository keep it."""

    generation: int = 0
    confirmed_at: int | None = 0
    now: int = 0
    is_over: bool = False

    @property
    def confirmed_for(self) -> float | None:
        return None if self.confirmed_at is None else float(self.now - self.confirmed_at)

    def refresh(self, given: int) -> Outcome:
        if self.is_over:
            return outcome(given, None, grace=GRACE)
        stepped = given == self.generation
        if stepped:
            self.generation, self.confirmed_at = self.generation + 1, None
        found = Rotation(
            self.generation, stepped, self.confirmed_for, is_disabled=False, scopes=[], lifetime=1.0, at=NOW
        )
        result = outcome(given, found, grace=GRACE)
        self.is_over = result == "reused"
        return result

    def look(self, given: int) -> bool:
        state = SessionState(self.generation, self.confirmed_for, has_expired=False)
        if self.is_over:
            return False
        if given == self.generation and state.confirmed_for is None:
            self.confirmed_at = self.now
        return given == self.generation or parent_in_grace(given, state, grace=GRACE)


@given(st.lists(st.tuples(ACTS, SECONDS, st.booleans())))
def test_owner_is_never_thrown_out_whatever_answers_get_lost(
    steps: list[tuple[str, int, bool]],
) -> None:
    row, held = Row(), 0
    for act, seconds, is_lost in steps:
        row.now += seconds
        if act == "look":
            assert row.look(held)
        else:
            assert row.refresh(held) in ("advanced", "replayed")
            held = held if is_lost else row.generation


@given(st.lists(st.tuples(st.booleans(), ACTS, SECONDS)))
def test_whoever_comes_with_the_older_token_after_the_first_use_of_the_newer_ends_it(
    steps: list[tuple[bool, str, int]],
) -> None:
    """Two hold copies of one token; each uses what it got last."""
    row, held = Row(), {True: 0, False: 0}
    first_uses: dict[int, int] = {0: 0}
    for who, act, seconds in steps:
        row.now += seconds
        given = held[who]
        newer_in_use = row.generation > given + 1 or row.now - first_uses.get(given + 1, row.now) >= GRACE
        if act == "look":
            accepted = row.look(given)
        else:
            accepted = row.refresh(given) in ("advanced", "replayed")
            if newer_in_use:
                assert row.is_over
        assert accepted == (not newer_in_use and not row.is_over)
        if not accepted:
            continue
        first_uses.setdefault(given, row.now)
        if act == "refresh":
            held[who] = row.generation
