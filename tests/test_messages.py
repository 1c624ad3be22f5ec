"""The wording of what is wrong with a field."""

import re
from pathlib import Path

import pytest

import wutang_auth
from wutang_auth.messages import field_problem

SOURCE = "\n".join(path.read_text("utf-8") for path in Path(wutang_auth.__file__).parent.rglob("*.py"))
NAMED = sorted(
    {
        *re.findall(r'PydanticCustomError\("(\w+)"', SOURCE),
        *re.findall(r'FieldError\([^)]*, "(\w+)"\)', SOURCE),
        *re.findall(r'"(password_(?:is_|too_|unfit_|common)\w*)"', SOURCE),
    }
)


@pytest.mark.parametrize("problem", NAMED)
def test_each_problem_that_the_code_names_has_words_in_both_languages(problem: str) -> None:
    chinese, english = (field_problem(problem, language, limit=8) for language in ("zh", "en"))
    assert (chinese, english) != ("无效", "is not valid")
    assert english.isascii()
    assert not chinese.isascii()


def test_the_code_names_problems() -> None:
    assert {"json", "email", "missing", "password_common", "password_too_short"} <= set(NAMED)


def test_an_unknown_problem_is_told_in_general_words() -> None:
    assert field_problem("anything", "zh") == "无效"
    assert field_problem("anything", "en") == "is not valid"
