"""The rule that decides what a refresh does."""

from typing import Literal

from wutang_auth.repository import Rotation, SessionState

Outcome = Literal["advanced", "replayed", "reused", "ended", "expired"]


def outcome(given: int, found: Rotation | None, *, grace: float) -> Outcome:
    """What a refresh with a token of the generation `given` did, by what was found after the step if there was one.

    The first row that fits decides:

    | what was found                                               | outcome    | what is answered                     |
    |--------------------------------------------------------------|------------|--------------------------------------|
    | no session, a disabled user, or one of a lower generation    | `ended`    | 401                                  |
    | a session past its lifetime                                  | `expired`  | 401 that says so                     |
    | the step was made: the given one is the parent now           | `advanced` | a pair of the new generation         |
    | the given one is the parent, and the new one is not in use   | `replayed` | the same: the first answer was lost  |
    | the given one is the parent, and its grace lasts             | `replayed` | the same: asked at the same time     |
    | anything else: the given one was used before                 | `reused`   | the session ends as stolen, then 401 |

    A generation is confirmed by its first use: an authenticated request, a refresh or a logout with one of its tokens.
    The grace of its parent lasts for REFRESH_GRACE from there. The step from a generation is a use of it, and the
    generation before it is no parent any more. `grace` is in seconds.

    SECURITY: thief and owner of one token cannot go on side by side. Whoever uses what the other's refresh brought ends
    the time of the older token, and its next use ends the session, in whichever order they came.
    """
    if found is None or found.is_disabled or given > found.generation:
        return "ended"
    if found.lifetime <= 0:
        return "expired"
    if found.stepped and given == found.generation - 1:
        return "advanced"
    if parent_in_grace(given, found, grace=grace):
        return "replayed"
    return "reused"


def parent_in_grace(given: int, found: SessionState | Rotation, *, grace: float) -> bool:
    """Whether `given` is the generation before the current one, and honoured: that one is unused, or lately used."""
    return given == found.generation - 1 and (found.confirmed_for is None or found.confirmed_for < grace)
