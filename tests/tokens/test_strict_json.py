"""Strict JSON: what can be read in one way only."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wutang_auth.tokens import strict_json

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(values)
def test_what_json_writes_is_read_back(value: Any) -> None:
    for ensure_ascii in (True, False):
        try:
            text = json.dumps(value, ensure_ascii=ensure_ascii).encode()
        except UnicodeEncodeError:  # a lone surrogate
            continue
        assert strict_json.loads(text) == value


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200) | st.text('[]{}",:0123456789eE.-+\\utrfnals ', max_size=60).map(str.encode))
def test_what_is_read_is_what_json_reads(text: bytes) -> None:
    try:
        found = strict_json.loads(text)
    except ValueError:
        return
    assert found == json.loads(text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [33, 500, 8000, 100_000])
def test_depth_is_bounded_on_every_version_of_python(opening: str, closing: str, depth: int) -> None:
    strict_json.loads((opening * 32 + "1" + closing * 32).encode())
    with pytest.raises(ValueError, match=r"^not strict JSON$"):
        strict_json.loads((opening * depth + "1" + closing * depth).encode())


def test_breadth_and_brackets_in_text_are_no_depth() -> None:
    assert strict_json.loads(json.dumps([[]] * 1000).encode()) == [[]] * 1000
    assert strict_json.loads(json.dumps({"a": "[{" * 1000}).encode()) == {"a": "[{" * 1000}


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b"{}x", b"NaN", b"[NaN]", b"Infinity", b"-Infinity", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}',
        b"\xef\xbb\xbf{}", b"\xff", b'"\xed\xa0\x80"', b"01", b"+1", b"1.", b".1", b"'a'", b"[1,]", b'{"a":1,}',
        b'"\x01"', "{}".encode("utf-16"), b"9" * 5000, b'"\\x41"', b"\x00", b"{}\x00", b"nul", b"True",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_ambiguous_or_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not strict JSON$") as refused:
        strict_json.loads(text)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
