"""E-mail addresses: what is one, and which two are the same."""

import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wutang_auth.fields import EMAIL_MAX_LENGTH, canonical_email, parse_code, parse_email

quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ada@wutang.example", "ada@wutang.example"),
        ("  Ada@Wutang.Example\n", "Ada@Wutang.Example"),
        ("\u3000李雷@例子.中国\u3000", "李雷@例子.中国"),
        ("jose\u0301@x.example", "josé@x.example"),
        ("a@b", "a@b"),
        ("o'brien+shop/tag=1@x.example", "o'brien+shop/tag=1@x.example"),
        ("x" * 64 + "@" + "y" * 63 + ".z" * 63, "x" * 64 + "@" + "y" * 63 + ".z" * 63),
        ("a@نامه\u200cای.example", "a@نامه\u200cای.example"),
        ("e\u0301" * 64 + "@x.example", "é" * 64 + "@x.example"),
    ],
)
def test_address_is_trimmed_and_composed(text: str, email: str) -> None:
    assert parse_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "ada", "@", "ada@", "@x.example", "a@b@c", "a b@x.example", "a@x .example", "a\tb@x.example",
        "a@x.example\n.org", "a\x00@x.example", "a\u200b@x.example", "a\u202e@x.example", "a\ud800@x.example",
        "a\u2028@x.example", "a\ufeff@x.example", "a\ue000@x.example", "a\u00ad@x.example", "ada＠x.example",
        "x" * 65 + "@x.example", "a@" + "y" * 253, "a@" + " " * 1000 + "x", "\ufdfa" * 64 + "@x.example",
        "a@" + "y" * 64 + ".example",
        "a\u200c@x.example", "a@x\u200dy.example", "a@é\u00ad.example", "a@é\u2028x.example",
        "a@é\ud800.example", "a@é\ue000.example", "a@é\u200b.example", "a@\u0301x.example", "a@" + "é." * 40 + "x",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_can_be_no_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an e-mail address$"):
        parse_email(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@x.example", "ADA@X.EXAMPLE"), ("josé@x.example", "jose\u0301@x.example"),
        ("ａｄａ@x.example", "ada@x.example"),
        ("straße@x.example", "STRASSE@x.example"), ("ﬁsh@x.example", "fish@x.example"), ("K@x.example", "k@x.example"),
        ("a@K.example", "a@k.example"), ("a@xn--mnchen-3ya.example", "a@MÜNCHEN．example"),
        ("ΌΣΟΣ@x.example", "όσος@x.example"), ("ǅ@x.example", "ǆ@x.example"), ("①@x.example", "1@x.example"),
    ],
)  # fmt: skip
def test_spellings_of_one_address_are_the_same(one: str, other: str) -> None:
    assert canonical_email(one) == canonical_email(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@x.example", "adа@x.example"),  # the last one is Cyrillic
        ("ada@x.example", "a.da@x.example"),
        ("ada@x.example", "ada+shop@x.example"),
        ("jose@x.example", "josé@x.example"),
        ("ı@x.example", "i@x.example"),
        ("a@straße.example", "a@strasse.example"),
        ("a@نامه\u200cای.example", "a@نامهای.example"),
        ("a@xn--abc-.example", "a@abc.example"),
    ],
)
def test_other_addresses_are_others(one: str, other: str) -> None:
    assert canonical_email(one) != canonical_email(other)


@quick
@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_what_is_parsed_is_sound(local: str, domain: str) -> None:
    try:
        email = parse_email(f" {local}@{domain} ")
    except ValueError:
        return
    assert parse_email(email) == email
    assert email == unicodedata.normalize("NFC", email)
    assert email.count("@") == 1
    assert email.translate({0x200C: None, 0x200D: None}).isprintable()
    canonical = canonical_email(email)
    assert canonical == canonical_email(canonical)
    assert len(canonical) <= EMAIL_MAX_LENGTH
    canonical.encode()


@quick
@given(st.text(st.characters(exclude_characters="@"), max_size=60))
def test_every_form_of_what_is_before_the_at_has_one_canonical_form(text: str) -> None:
    canonical = canonical_email(f"{text}@é.example")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert canonical_email(f"{unicodedata.normalize(form, text)}@é.example") == canonical
    assert canonical_email(f"{text.casefold()}@é.example") == canonical


@quick
@given(st.text(min_size=1, max_size=40))
def test_every_form_of_a_domain_has_one_canonical_form(domain: str) -> None:
    try:
        canonical = canonical_email(parse_email(f"a@{domain}"))
    except ValueError:
        return
    assert canonical.isascii()
    for form in ("NFC", "NFD"):
        assert canonical_email(f"a@{unicodedata.normalize(form, domain)}") == canonical
    assert canonical_email(canonical.upper()) == canonical


def test_ascii_needs_no_tables() -> None:
    """They take memory that few services need."""
    code = (
        "import sys, wutang_auth.fields as f; f.parse_email('a@XN--MNCHEN-3YA.example'); print('idna' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_the_longest_address_takes_little_time() -> None:
    for domain in ("é." * 125, "é" * 250, "\ufdfa" * 250, "म\u094d\u200d" * 80, "\u0627\u200d" * 125):
        started = time.process_time()
        with pytest.raises(ValueError, match="not an e-mail address"):
            parse_email(f"a@{domain}x")
        assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123456\t",
        "123 456",
        "123-456",
        "1 2 3 4 5 6",
        "\u00a0123\u00a0456",
        "123456\n",
        "１２３４５６",
        "１２３　４５６",
        "123－456",
    ],
)
def test_a_code_is_its_six_digits_however_they_are_typed(typed: str) -> None:
    assert parse_code(typed) == "123456"


@pytest.mark.parametrize(
    "typed",
    ["", "12345", "1234567", "12345a", "12.456", "+12345", "١٢٣٤٥٦", "①②③④⑤⑥⑦", "1" * 5000, "\ud800" * 6],
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="not a code"):
        parse_code(typed)
