"""JSON that can be read in one way only: UTF-8, unique names, no NaN or Infinity (RFC 8259, RFC 7493)."""

import json
from collections.abc import Iterable
from typing import Any

_MAX_DEPTH = 32


def loads(text: bytes) -> Any:
    """Parse.

    Raises:
        ValueError: not JSON, or ambiguous, or nested too deeply; the message shows nothing of the text.
    """
    try:
        document = _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise ValueError("not strict JSON") from None
    if text.count(b"[") + text.count(b"{") > _MAX_DEPTH:
        _ensure_flat(document)
    return document


def _ensure_flat(document: Any) -> None:
    # how deep the parser goes by itself depends on the version of Python
    level = [document]
    for _ in range(_MAX_DEPTH + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise ValueError("not strict JSON")


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate name")
    return document


def _refuse_constant(_name: str) -> None:
    raise ValueError("not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant)
