"""Statements, compiled once."""

from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.expression import ClauseElement

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own


class Statement:
    """A SQLAlchemy expression, compiled once to the SQL of asyncpg and the order of its parameters."""

    __slots__ = ("_constants", "_names", "sql")

    def __init__(self, expression: ClauseElement) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]  # SQLCompiler
        self._constants: dict[str, Any] = {
            name: bind.value
            for name, bind in compiled.binds.items()  # type: ignore[attr-defined]  # likewise
            if not bind.required
        }

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """The given parameters and the expression's own constants, in the order of the SQL."""
        constants = self._constants
        return [given[name] if name in given else constants[name] for name in self._names]
