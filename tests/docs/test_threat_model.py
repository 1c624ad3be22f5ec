"""Each threat of docs/threat-model.md has a test, which is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| ([A-Z][a-z ]+) \| (.+?) \| (.+?) \| `(.+?)::(\w+)` \|$",
    (ROOT / "docs" / "threat-model.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_each_threat_names_a_test_that_is_there() -> None:
    missing = [
        f"{path}::{test}"
        for *_, path, test in ROWS
        if not (ROOT / path).is_file() or f"def {test}(" not in (ROOT / path).read_text("utf-8")
    ]
    assert missing == []


def test_every_row_is_read_and_every_kind_of_threat_is_there() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
    assert len(ROWS) == page.count("::")
    assert "".join(dict.fromkeys(kind[0] for kind, *_ in ROWS)) == "STRIDE"
