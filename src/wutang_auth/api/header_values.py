"""The values of request headers, as programs really send them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_BLANKS: Final = b" \t"
_PARAMETER: Final = re.compile(
    r""";[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))""", re.IGNORECASE
)
_FORWARDED_PAIR: Final = r"""[!#$%&'*+.^_`|~0-9a-z-]+[ \t]*=[ \t]*(?:"[^"\\]*"|[^";]*)"""
_FORWARDED_ELEMENT: Final = re.compile(rf"{_FORWARDED_PAIR}(?:;[ \t]*(?:{_FORWARDED_PAIR})?)*", re.IGNORECASE)


def without_blanks(headers: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
    """The headers without the spaces and tabs around their values, which belong to none (RFC 9110 section 5.5)."""
    for _, value in headers:
        if value.strip(_BLANKS) is not value:  # hardly ever; a new list costs twice as much as looking
            return [(name, value.strip(_BLANKS)) for name, value in headers]
    return headers


def parameters(value: str) -> Iterator[tuple[str, str]]:
    """The parameters behind a value, names in lower case, quoted strings unquoted (RFC 9110 section 5.6.6)."""
    for name, quoted, plain in _PARAMETER.findall(value):
        yield name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain.strip()


def weighted(value: str) -> Iterator[tuple[str, float]]:
    """The members of a list in lower case, each with its weight from 0 to 1 (RFC 9110 section 12.4.2)."""
    for member in value.lower().split(","):
        name, *rest = member.split(";")
        yield name.strip(), _weight(rest)


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return min(weight, 1.0) if weight > 0 else 0.0
    return 1.0


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip (RFC 9110 section 12.5.3); one that says nothing is not asked to."""
    weights = dict(weighted(accept_encoding))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def forwarded_node(element: str) -> str:
    """The `for` of one element of `Forwarded`, an address or a name for one; empty where it has none (RFC 7239)."""
    element = element.strip(" \t")
    # SECURITY: an element that is not whole may be the end of a quotation that a client has begun
    if not _FORWARDED_ELEMENT.fullmatch(element):
        return ""
    nodes = [value for name, value in parameters(f";{element}") if name == "for"]
    return nodes[0] if len(nodes) == 1 else ""
