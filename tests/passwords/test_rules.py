"""What a new password must be like."""

import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

import wutang_auth
from wutang_auth.errors import InvalidParameters
from wutang_auth.messages import field_problem
from wutang_auth.passwords.rules import PasswordRules

RULES = PasswordRules(min_length=8)


def refusal(password: str, *, rules: PasswordRules = RULES, current: str | None = None) -> str | None:
    """What a client is told, in English and in Chinese; None where the password is accepted."""
    try:
        rules.check(password, email="Ada.Lovelace@wutang.example", name="Ада Лавлейс", current=current)
    except InvalidParameters as error:
        [field] = error.errors
        assert field.field == "password"
        told = " ".join(field_problem(field.problem, language, limit=field.limit) for language in ("en", "zh"))
        assert "valid" not in told  # each problem has words of its own
        assert not password or password not in told
        return told
    return None


@pytest.mark.parametrize(
    "password",
    [
        "seven small violet umbrellas",
        "correct horse battery staple",
        "kT9#mmq2",
        "密码不会被猜到呢",
        "x9" * 512,
        "  leading and trailing  ",
        "tab\tand\nline",
        "🐙🦑🦐🦞🦀🐡🐠🐟",
        "👩‍👩‍👧‍👦 family",
    ],
)
def test_good_password_is_accepted(password: str) -> None:
    assert refusal(password) is None


@pytest.mark.parametrize(
    ("password", "english", "chinese"),
    [
        ("", "at least 8 characters", "至少需要 8 个字符"),
        ("kT9#mmq", "at least 8 characters", "至少需要 8 个字符"),
        ("é" * 7, "at least 8 characters", "至少需要 8 个字符"),
        ("e\u0301" * 7, "at least 8 characters", "至少需要 8 个字符"),
        ("x" * 1025, "at most 1024 characters", "最多 1024 个字符"),
        ("nul\x00 in the middle", "leave them out", "请去掉"),
        ("\ud800 half a character", "leave them out", "请去掉"),
        ("password1", "several unrelated words", "不相关的词"),
        ("PassWord1", "several unrelated words", "不相关的词"),
        ("ｐａｓｓｗｏｒｄ１", "several unrelated words", "不相关的词"),
        (" password1 ", "several unrelated words", "不相关的词"),
        ("12345678", "several unrelated words", "不相关的词"),
        ("iloveyou", "several unrelated words", "不相关的词"),
        ("woaini1314", "several unrelated words", "不相关的词"),
        ("        ", "several unrelated words", "不相关的词"),
        ("\u3000" * 9, "several unrelated words", "不相关的词"),
        ("ada.lovelace@wutang.example", "must not be the e-mail address", "不能是邮箱地址"),
        ("ADA.LOVELACE@wutang.EXAMPLE", "must not be the e-mail address", "不能是邮箱地址"),
        ("Ada.Lovelace", "must not be the e-mail address", "不能是邮箱地址"),
        ("ａｄａ.lovelace", "must not be the e-mail address", "不能是邮箱地址"),
        ("Ада Лавлейс", "must not be the user's name", "不能是用户名称"),
        ("ада лавлейс", "must not be the user's name", "不能是用户名称"),
        ("адалавлейс", "must not be the user's name", "不能是用户名称"),
        (unicodedata.normalize("NFD", "АДА ЛАВЛЕЙС"), "must not be the user's name", "不能是用户名称"),
    ],
)
def test_refusal_says_which_rule_and_how_to_meet_it(password: str, english: str, chinese: str) -> None:
    told = refusal(password)
    assert told is not None
    assert english in told
    assert chinese in told


def test_length_is_a_setting_counted_in_nfc() -> None:
    rules = PasswordRules(min_length=12)
    assert refusal("kT9#mmq2kT9", rules=rules) is not None
    assert refusal("kT9#mmq2kT9x", rules=rules) is None
    assert refusal(unicodedata.normalize("NFD", "ü" * 11), rules=rules) is not None
    assert refusal(unicodedata.normalize("NFD", "ü" * 12), rules=rules) is None


def test_new_password_differs_from_the_current_one() -> None:
    told = refusal("crème brûlée, twice", current=unicodedata.normalize("NFD", "crème brûlée, twice"))
    assert told is not None
    assert "must differ from the current one" in told
    assert refusal("crème brûlée, twice", current="crème brûlée, once") is None


def test_name_and_local_part_may_be_empty() -> None:
    RULES.check("seven small violet umbrellas", email="a@wutang.example", name="")


def test_list_of_common_passwords_is_in_shape() -> None:
    content = (Path(wutang_auth.__file__).parent / "passwords" / "common_passwords.txt").read_text("utf-8")
    assert content.startswith("\n")
    assert content.endswith("\n")
    lines = content[1:-1].split("\n")
    assert lines == sorted(set(lines))
    assert len(lines) > 20_000
    for line in lines:
        assert len(line) >= 8
        assert line.isascii()
        assert "".join(line.casefold().split()) == line


def test_looking_up_is_quick_and_starting_does_not_load_the_list() -> None:
    refusal("warm the cache up")
    began = time.perf_counter()
    for number in range(100):
        refusal(f"seven small violet umbrellas {number}")
    assert time.perf_counter() - began < 0.5
    program = """
import sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
from wutang_auth.passwords import rules
assert opened
assert not any("common_passwords" in path for path in opened)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
