"""The README: short, the same in both languages, and true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh.md").read_text("utf-8")


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["README.md", "README.zh.md"])
def test_it_is_short(text: str) -> None:
    assert len(text.splitlines()) <= 120


def test_both_languages_have_the_same_sections() -> None:
    assert _levels(CHINESE) == _levels(ENGLISH)


def test_both_languages_show_the_same_code() -> None:
    assert _code(ENGLISH)
    assert _code(CHINESE) == _code(ENGLISH)


def test_both_languages_have_the_same_tables() -> None:
    assert _numbers_of_cells(CHINESE) == _numbers_of_cells(ENGLISH)


def test_both_languages_compare_the_same() -> None:
    translated = {"yes": "是", "no": "否", "**no**": "**否**"}
    english, chinese = (
        [cell.strip() for line in text.splitlines() if line.count("|") == 10 for cell in line.split("|")[2:-1]]
        for text in (ENGLISH, CHINESE)
    )
    for ours, theirs in zip(english, chinese, strict=True):
        assert (ours in translated) == (theirs in translated.values())
        assert translated.get(ours, theirs) == theirs


def test_both_languages_link_to_the_same() -> None:
    others = {"README.md", "README.zh.md"}
    assert _targets(CHINESE) - others == _targets(ENGLISH) - others


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["README.md", "README.zh.md"])
def test_it_names_the_two_commands(text: str) -> None:
    assert re.findall(r"^    make (\w+)", text, re.MULTILINE) == ["dev", "test"]


def _levels(text: str) -> list[int]:
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def _code(text: str) -> list[str]:
    return re.findall(r"^```.*?^```$|^    [^\n]*$", text, re.MULTILINE | re.DOTALL)


def _numbers_of_cells(text: str) -> list[int]:
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def _targets(text: str) -> set[str]:
    return {*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r"^\[.+\]: (\S+)$", text, re.MULTILINE)}
