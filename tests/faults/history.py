"""What clients did and were told, and the rules that no fault may break.

A request that got no answer, or a 503, is *unknown*: it may have happened, it may not have, and it may still happen.
The checker holds against the service only what no order of events explains.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["login", "me", "refresh", "logout", "intrusion"]
Outcome = Literal["ok", "refused", "unknown", "never", "wrong"]
"""200; 401; no answer or 503; nobody listened; anything that the service must not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request. Times are seconds of one clock."""

    kind: Kind
    outcome: Outcome
    begun: float
    ended: float
    instance: int = 0
    session: str = ""
    generation: int = 0
    """That of the token which was sent; of the new session for a login."""
    issued: int | None = None
    """The generation of the tokens in the answer."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a history amounts to."""

    acknowledged: int
    refused: int
    unknown: int
    forgotten: list[str] = field(default_factory=list)
    """Ends of sessions that were acknowledged or seen, and did not hold."""
    wrongly_accepted: list[str] = field(default_factory=list)
    otherwise_wrong: list[str] = field(default_factory=list)
    """Acknowledged tokens that do not work, a second head, an answer outside the contract."""


def judge(operations: Iterable[Operation], *, grace: float) -> Verdict:
    """Apply the rules; `grace` is the service's REFRESH_GRACE in seconds."""
    history = sorted(operations, key=lambda operation: operation.begun)
    outcomes = [operation.outcome for operation in history]
    verdict = Verdict(outcomes.count("ok"), outcomes.count("refused"), outcomes.count("unknown"))
    sessions: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        if operation.outcome == "wrong":
            verdict.otherwise_wrong.append(f"{operation.kind}: {operation.remark}")
        elif operation.kind == "intrusion" and operation.outcome == "ok":
            verdict.wrongly_accepted.append(operation.remark)
        elif operation.kind == "login" and operation.outcome == "refused":
            verdict.otherwise_wrong.append(f"a login with the right password was refused {operation.remark}")
        elif operation.session and operation.outcome not in ("never", "wrong"):
            sessions[operation.session].append(operation)
    for session in sessions.values():
        verdict.forgotten.extend(_forgotten(session))
        verdict.wrongly_accepted.extend(_stale_but_accepted(session, grace))
        verdict.otherwise_wrong.extend(_not_one_head(session))
        verdict.otherwise_wrong.extend(_lost(session, grace))
    return verdict


def _forgotten(session: list[Operation]) -> Iterator[str]:
    """A session that has ended stays so, whoever was told."""
    ends = [operation for operation in session if _shows_the_end(operation)]
    if not ends:
        return
    end = min(ends, key=lambda operation: operation.ended)
    for operation in session:
        if operation.outcome == "ok" and operation.begun > end.ended and operation.kind != "login":
            yield f"{_named(operation)} succeeded {operation.begun - end.ended:.3f} s after {_named(end)} was answered"


def _shows_the_end(operation: Operation) -> bool:
    if operation.kind == "logout":
        return operation.outcome in ("ok", "refused")
    # a refused `me` may only mean that its generation is over
    return operation.kind == "refresh" and operation.outcome == "refused"


def _stale_but_accepted(session: list[Operation], grace: float) -> Iterator[str]:
    """A generation is over when the next but one has begun, or the grace after the next one's first use."""
    served = [operation for operation in session if operation.outcome == "ok" and operation.kind in ("me", "refresh")]
    for operation in served:
        for other in served:
            # an issued generation began before its answer, whether this request made the step or repeated it
            if (other.issued or 0) >= operation.generation + 2 or other.generation >= operation.generation + 2:
                over_since = other.ended
            elif other.generation == operation.generation + 1:
                over_since = other.ended + grace
            else:
                continue
            if operation.begun > over_since:
                yield f"{_named(operation)} succeeded {operation.begun - over_since:.3f} s after its end"
                break


def _not_one_head(session: list[Operation]) -> Iterator[str]:
    """Whoever sends one generation gets the next, and all get the same."""
    for operation in session:
        if operation.kind == "refresh" and operation.outcome == "ok" and operation.issued != operation.generation + 1:
            yield f"{_named(operation)} was answered with generation {operation.issued}"


def _lost(session: list[Operation], grace: float) -> Iterator[str]:
    """What was acknowledged works until something that was asked for can have ended it."""
    for operation in session:
        if operation.outcome != "refused" or operation.kind == "login":
            continue
        earlier = [other for other in session if other is not operation and other.begun < operation.ended]
        if any(other.kind == "logout" for other in earlier) or _theft_is_possible(earlier, grace):
            continue
        if operation.kind == "logout" or not _may_be_over(operation, earlier, grace):
            yield f"{_named(operation)} was refused, though nothing ended the session"


def _theft_is_possible(earlier: list[Operation], grace: float) -> bool:
    """Whether some refresh may have come too late for its generation, which ends the session."""
    return any(_may_be_over(late, earlier, grace) for late in earlier if late.kind == "refresh")


def _may_be_over(operation: Operation, others: list[Operation], grace: float) -> bool:
    """Whether a later generation may have been in use for so long that this operation's is over."""
    return any(
        other.generation > operation.generation and (other.kind == "refresh" or operation.ended > other.begun + grace)
        for other in others
        if other.begun < operation.ended
    )


def _named(operation: Operation) -> str:
    return f"{operation.kind} of generation {operation.generation} of session {operation.session[:8]}"
