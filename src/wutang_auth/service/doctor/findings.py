"""What a check says: that all is well, what to look at, what is wrong; and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["well", "look", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. It holds no value of a secret setting."""

    check: str
    """The name of the check."""
    verdict: Verdict
    """`look`: it may be meant so, which only an operator can know."""
    says: str
    remedy: str | None = None
    """What to do; None where all is well."""


def well(check: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "well", says)


def look(check: str, says: str, remedy: str) -> Finding:
    """It may be meant so."""
    return Finding(check, "look", says, remedy)


def wrong(check: str, says: str, remedy: str | None = None) -> Finding:
    """It harms or will harm. Without a remedy, what it says names one."""
    return Finding(check, "wrong", says, remedy)


def or_well(found: Iterable[Finding], check: str, says: str) -> list[Finding]:
    """What was found; if that is nothing, that all is well."""
    return list(found) or [well(check, says)]
