"""Records are dataclasses, quick to make."""

from dataclasses import fields, replace

from wutang_auth.records import record


@record
class _Point:
    x: int
    y: int = 0


def test_record_is_a_dataclass_with_slots() -> None:
    assert [field.name for field in fields(_Point)] == ["x", "y"]
    assert replace(_Point(1), y=2) == _Point(1, 2)
    assert not hasattr(_Point(1), "__dict__")
