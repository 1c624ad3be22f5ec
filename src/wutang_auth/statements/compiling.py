"""From expressions to the text of `repository/sql.py`."""

import re
import textwrap
from types import ModuleType

from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.expression import ClauseElement

from wutang_auth.database import Statement
from wutang_auth.statements import attempts, schema, sessions, users

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
_LITERAL = re.compile(r"'[^']*'")
_WIDTH = 120

_HEADER = '''\
"""The SQL of every statement. `make sql` writes it from `wutang_auth.statements`: change it there."""

from wutang_auth.database import Statement
'''


def compile_statement(expression: ClauseElement) -> Statement:
    """The SQL of an expression; its own constants become part of the text, bound values never do."""
    compiled = expression.compile(dialect=_DIALECT)
    parameters: list[str] = []
    places: list[str] = []
    for name in compiled.positiontup or ():  # type: ignore[attr-defined]  # SQLCompiler has it
        bind = compiled.binds[name]  # type: ignore[attr-defined]  # likewise
        if bind.required:
            parameters.append(name)
            places.append(f"${len(parameters)}")
        else:
            places.append(_constant(bind.value))
    sql = re.sub(r"\$(\d+)", lambda found: places[int(found[1]) - 1], str(compiled))
    return Statement(sql, tuple(parameters))


def module_text() -> str:
    """The Python source of `repository/sql.py`."""
    found = [
        _definition(f"{_table(module)}_{name}", compile_statement(expression))
        for module in (users, sessions, attempts, schema)
        for name, expression in vars(module).items()
        if name.isupper() and isinstance(expression, ClauseElement)
    ]
    return "\n".join([_HEADER, *found])


def _constant(value: object) -> str:
    # SECURITY: numbers only, so that no text ever becomes SQL
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a constant of a statement is a number, not {type(value).__name__}; bind it as a parameter")
    return repr(value)


def _table(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].upper()


def _definition(name: str, statement: Statement) -> str:
    lines = "\n".join(_wrapped(line) for line in statement.sql.splitlines())
    parameters = ", ".join(f'"{parameter}"' for parameter in statement.parameters)
    if len(statement.parameters) == 1:
        parameters += ","
    if len(parameters) > _WIDTH - len("    (),"):
        parameters = "\n        " + parameters.replace(", ", ",\n        ") + ",\n    "
    return f'{name} = Statement(\n    """\n{lines}\n    """,\n    ({parameters}),\n)\n'


def _wrapped(line: str) -> str:
    """The same line in several, if it is too long, but none broken within a literal."""
    kept = _LITERAL.sub(lambda found: found[0].replace(" ", "\0"), line.strip())
    wrapped = textwrap.fill(
        kept, _WIDTH, initial_indent="    ", subsequent_indent="        ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return wrapped.replace("\0", " ")
