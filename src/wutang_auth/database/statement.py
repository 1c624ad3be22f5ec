"""A statement: SQL with named parameters, as asyncpg takes it."""

import re
from inspect import cleandoc
from typing import Any

_PARAMETER = re.compile(r"\$(\w+)")


class Statement:
    """SQL with parameters such as `$user_id`, which stands beside the method that runs it.

    PostgreSQL numbers parameters. So does this, once: the first name becomes `$1`, and a name that comes again keeps
    its number. Values are never part of the text. As an attribute of a class it is called by both their names.
    """

    __slots__ = ("name", "parameters", "sql")

    def __init__(self, text: str) -> None:
        """Number the parameters.

        Raises:
            ValueError: a parameter has a number for its name.
        """
        numbers: dict[str, int] = {}

        def numbered(found: re.Match[str]) -> str:
            if not found[1].isidentifier():
                raise ValueError(f"parameters are named, not numbered: {found[0]}")
            return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

        self.sql = _PARAMETER.sub(numbered, cleandoc(text))
        self.parameters = tuple(numbers)
        self.name = "Statement"
        """Such as `SessionRepository.READ`, for people."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{owner.__name__}.{name}"

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """The given values in the order of their numbers.

        Raises:
            TypeError: a parameter is missing, or the statement has none of that name.
        """
        arguments = [given[name] for name in self.parameters if name in given]
        if not len(arguments) == len(given) == len(self.parameters):
            raise TypeError(f"{self.name} takes {sorted(self.parameters)}, not {sorted(given)}")
        return arguments
