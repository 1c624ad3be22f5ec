"""What coverage does not count is left out for a reason that is written down."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "src" / "wutang_auth"


def test_every_exclusion_in_the_code_has_its_reason() -> None:
    for file in PROGRAM.rglob("*.py"):
        for line in file.read_text().splitlines():
            if "pragma: no " in line:
                assert re.search(r"# pragma: no (cover|branch) -- \w+", line), f"{file.name}: {line.strip()}"


def test_every_module_that_is_listed_is_there_and_has_its_reason() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.*?) \|$", (ROOT / "tests" / "uncovered.md").read_text(), re.MULTILINE)
    assert rows
    for module, reason in rows:
        assert (PROGRAM / module).exists(), module
        assert reason, module
        for named in re.findall(r"`(tests/.+?)`", reason):
            assert (ROOT / named).exists(), named
