"""Plain English, in the documentation and in the source."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
SOURCES = [*ROOT.glob("src/**/*.py"), *ROOT.glob("alembic/**/*.py")]
NOT_PLAIN = re.compile(r"\b(?:likewise|whence|lest|anew|spoken|patience)\b", re.IGNORECASE)


@pytest.mark.parametrize("paths", [DOCUMENTS, SOURCES], ids=["documents", "sources"])
def test_words_are_plain(paths: list[Path]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word[0]}"
        for path in sorted(paths)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (word := NOT_PLAIN.search(line))
    ]
    assert found == []
