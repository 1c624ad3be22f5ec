"""A statement as asyncpg takes it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL, and the names of its parameters `$1`, `$2` … in their order."""

    sql: str
    parameters: tuple[str, ...] = ()

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """The given parameters in the order of the SQL."""
        return [given[name] for name in self.parameters]
