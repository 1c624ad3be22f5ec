"""Who is told of what goes on, where somebody measures it; nothing of Prometheus is imported for that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

DatabaseError = Literal["connect", "pool", "statement", "misconfigured"]
"""No connection to be made, none free in time, a statement without its answer, and what an operator has to change."""
HashOutcome = Literal["hashed", "matched", "unmatched"]
HashRefusal = Literal["queue full", "left"]
"""There was no room, and who waited went away or waited too long."""
Throttled = Literal["account", "address", "recipient", "factor"]
"""What had to wait."""


@dataclass(frozen=True, slots=True)
class DatabaseObserver:
    """Is told how a set of connections does."""

    waited: Callable[[float], None]
    """Takes the seconds that a caller waited for a connection; 0 where one was free."""
    failed: Callable[[DatabaseError], None]


@dataclass(frozen=True, slots=True)
class HashObserver:
    """Is told how the hashing of passwords does."""

    finished: Callable[[HashOutcome, float], None]
    """Takes the outcome, and the seconds with those in the queue."""
    refused: Callable[[HashRefusal], None]


@dataclass(frozen=True, slots=True)
class Observers:
    """All of them; None: nobody measures."""

    database: DatabaseObserver | None = None
    """Of the connections that requests work on."""
    counters: DatabaseObserver | None = None
    """Of those that attempts are counted on."""
    hashes: HashObserver | None = None
    throttled: Callable[[Throttled], None] | None = None
    key_ring_refused: Callable[[], None] | None = None
