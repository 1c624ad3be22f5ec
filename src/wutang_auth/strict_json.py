"""JSON that can be read in one way only: UTF-8, unique names, no NaN or Infinity (RFC 8259, RFC 7493)."""

import json
from typing import Any


def loads(text: bytes) -> Any:
    """Parse.

    Raises:
        ValueError: not JSON, or ambiguous, or nested too deeply; the message shows nothing of the text.
    """
    try:
        return _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise ValueError("not strict JSON") from None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate name")
    return document


def _refuse_constant(_name: str) -> None:
    raise ValueError("not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant)
