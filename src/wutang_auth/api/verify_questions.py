"""What gateways ask of their clients at `/api/auth/verify`: by query on the exact path, or by headers of their own."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from starlette.requests import Request

from wutang_auth.errors import FieldError, InvalidParameters
from wutang_auth.fields import (
    AMR,
    MAX_SCOPES,
    MAX_SCOPES_LENGTH,
    SCOPE_MAX_LENGTH,
    SCOPE_PATTERN,
    parse_amr,
    parse_scopes,
)
from wutang_auth.service.verify import Needed

T = TypeVar("T")

_MAX_AGE_LIMIT: Final = 10**9 - 1
_SECONDS: Final = re.compile("[1-9][0-9]{0,8}")


def _parse_ages(texts: list[str]) -> list[int]:
    if not all(map(_SECONDS.fullmatch, texts)):
        raise ValueError("not a number of seconds")
    return [int(text) for text in texts]


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    query: str
    header: str
    parse: Callable[[list[str]], list[T]]
    problem: str
    """The name of what is wrong with it, for which messages.py has the words."""

    def asked(self, sent: dict[str, str]) -> list[T]:
        """What query and header ask for together.

        Raises:
            InvalidParameters: something that nobody could have.
        """
        found: list[T] = []
        for name in (self.query, self.header):
            try:
                found += self.parse(sent.get(name, "").split())
            except ValueError:
                raise InvalidParameters([FieldError(name, self.problem)]) from None
        return found


_SCOPES: Final = _Question("required_scope", "X-Required-Scopes", parse_scopes, "scopes")
_AMR: Final = _Question("required_amr", "X-Required-Amr", parse_amr, "amr")
_MAX_AGE: Final = _Question("max_age", "X-Max-Age", _parse_ages, "max_age")
_QUESTIONS: Final = (_SCOPES, _AMR, _MAX_AGE)
_QUERIES: Final = frozenset(question.query for question in _QUESTIONS)
_HEADERS: Final = {question.header.lower().encode(): question.header for question in _QUESTIONS}


def needed(request: Request) -> Needed:
    """What the client must have; of several ages the smallest.

    Raises:
        InvalidParameters: something that nobody could have.
    """
    sent = _sent(request)
    if not sent:
        return Needed()
    return Needed(_SCOPES.asked(sent), _AMR.asked(sent), min(_MAX_AGE.asked(sent), default=None))


def _sent(request: Request) -> dict[str, str]:
    """What each query parameter and header of ours holds; what comes repeatedly, between spaces."""
    query = request.query_params.multi_items() if request.scope["query_string"] else []
    found = [pair for pair in query if pair[0] in _QUERIES]
    for name, value in request.scope["headers"]:
        if name in _HEADERS:
            found.append((_HEADERS[name], value.decode("latin-1")))
    sent: dict[str, str] = {}
    for name, text in found:
        sent[name] = f"{sent.get(name, '')} {text}"
    return sent


# -- For the OpenAPI document -----------------------------------------------------------------------------------------

_SCOPE: Final = SCOPE_PATTERN.removesuffix("*") + f"{{0,{SCOPE_MAX_LENGTH - 1}}}"
_METHOD: Final = f"({'|'.join(AMR)})"
_BY_GATEWAY: Final = "the same{}; the gateway sets it, and removes what its clients send"


def _by_query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    told = f"{description}; not read below this path"
    return {"name": name, "in": "query", "required": False, "description": told, "schema": schema}


def _by_header(name: str, schema: dict[str, Any], between: str = "") -> dict[str, Any]:
    told = _BY_GATEWAY.format(between)
    return {"name": name, "in": "header", "required": False, "description": told, "schema": schema}


# read by hand, since FastAPI serves what declares parameters, and takes several times as long
PARAMETERS: Final = [
    _by_query(
        _SCOPES.query,
        "scopes that the user must have, all of them; several between spaces",
        {"type": "array", "items": {"type": "string", "pattern": f"^{_SCOPE}$"}, "maxItems": MAX_SCOPES},
    ),
    _by_header(
        _SCOPES.header,
        {
            "type": "string",
            "pattern": f"^({_SCOPE}( {_SCOPE}){{0,{MAX_SCOPES - 1}}})?$",
            "maxLength": MAX_SCOPES_LENGTH,
        },
        ", between spaces",
    ),
    _by_query(
        _AMR.query,
        "by what the user must have proved who it is, all of them (RFC 8176); `mfa` is two factors",
        {"type": "array", "items": {"type": "string", "enum": [*AMR]}},
    ),
    _by_header(_AMR.header, {"type": "string", "pattern": f"^({_METHOD}( {_METHOD})*)?$"}, ", between spaces"),
    _by_query(
        _MAX_AGE.query,
        "seconds that this proof may lie back",
        {"type": "integer", "minimum": 1, "maximum": _MAX_AGE_LIMIT},
    ),
    _by_header(
        _MAX_AGE.header,
        {"type": "string", "pattern": f"^({_SECONDS.pattern}( {_SECONDS.pattern})*)?$"},
        "; of several between spaces the smallest counts",
    ),
]
