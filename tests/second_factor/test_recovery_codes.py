"""Recovery codes: how they look, and how people type them."""

import re

import pytest

from wutang_auth.fields import parse_recovery_code
from wutang_auth.second_factor.recovery_codes import NUMBER, digest_of, new_codes


def test_each_is_another_one_of_five_groups() -> None:
    codes = [code for _ in range(50) for code in new_codes()]
    assert len(set(codes)) == 50 * NUMBER
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){4}", code) for code in codes)
    assert len({character for code in codes for character in code}) == 33  # all of the alphabet, and the hyphen


CODE = "7Q2MX-0ZK4D-9HFT3-VWB6N-R811C"


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\n".replace("\n", "\t"),
        CODE.replace("0", "O"),
        CODE.replace("0", "o").replace("1", "l"),
        CODE.replace("1", "I"),
        CODE.replace("-", "‐"),
        CODE.replace("-", "–"),
        "".join(chr(ord(character) + 0xFEE0) for character in CODE),
    ],
)
def test_what_people_type_for_it_is_the_same_code(typed: str) -> None:
    assert digest_of(typed) == digest_of(CODE)


@pytest.mark.parametrize(
    "typed", ["", "-", CODE[:-1], CODE + "7", CODE.replace("Q", "U"), CODE * 40, "7" * 10_000, "\x00" * 25]
)
def test_what_cannot_be_one_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="not a recovery code"):
        parse_recovery_code(typed)
