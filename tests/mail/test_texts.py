"""The texts of mails: complete, in both languages, and checked before anything is sent."""

from datetime import timedelta
from pathlib import Path
from string import Template
from typing import get_args
from uuid import uuid4

import pytest

from support.mail import html_of, text_of
from wutang_auth.fields import MailKind, Purpose
from wutang_auth.mail.messages import Messages
from wutang_auth.mail.texts import BUILT_IN, Texts, TextsError, names
from wutang_auth.response_codes import Language

HOSTILE = "<b>&\"'@wutang.example"


def test_every_kind_has_its_texts_and_there_are_no_others() -> None:
    assert {path.name for path in BUILT_IN.iterdir()} == set(names())


@pytest.mark.parametrize("kind", get_args(MailKind))
@pytest.mark.parametrize("language", get_args(Language))
def test_every_mail_can_be_written(kind: MailKind, language: Language) -> None:
    messages = Messages(Texts(), sender=("", "no-reply@shop.example"), public_url="https://id.shop.example/auth")
    purpose: Purpose = "reset"
    message = messages.compose(
        kind, language, to="ada@wutang.example", mail_id=uuid4(), other_email="new@wutang.example",
        link=(purpose, "TOKEN", timedelta(hours=24)),
    )  # fmt: skip
    for said in (text_of(message), html_of(message)):
        assert "$" not in said
        assert "id.shop.example" in said
        assert ("24 小时" if language == "zh" else "24 hours") in said or "TOKEN" not in said
    assert (message["Subject"].isascii()) == (language == "en")
    assert message["Content-Language"] == language


def test_values_are_escaped_in_html() -> None:
    messages = Messages(Texts(), sender=("", "no-reply@shop.example"), public_url="https://id.shop.example")
    message = messages.compose(
        "email_changed_notice", "en", to="ada@wutang.example", mail_id=uuid4(), other_email=HOSTILE,
        link=("email_undo", "TOKEN", timedelta(days=4)),
    )  # fmt: skip
    assert HOSTILE in text_of(message)
    assert "&lt;b&gt;&amp;&quot;&#x27;@wutang.example" in html_of(message)
    assert "4 days" in html_of(message)


@pytest.mark.parametrize("hostile", ["x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example"])
def test_no_header_can_be_smuggled_in(hostile: str) -> None:
    messages = Messages(Texts(), sender=("", "no-reply@shop.example"), public_url="https://id.shop.example")
    with pytest.raises(ValueError, match="CR or LF"):
        messages.compose("password_changed", "en", to=f"{hostile}@wutang.example", mail_id=uuid4())


def test_links_lead_to_the_shop_s_own_page_where_it_has_one() -> None:
    links: dict[Purpose, str] = {"reset": "https://shop.example/reset#t={token}&x", "invite": ""}
    messages = Messages(
        Texts(), sender=("", "no-reply@shop.example"), public_url="https://id.shop.example/auth", links=links
    )
    expected: dict[Purpose, str] = {
        "reset": "https://shop.example/reset#t=TOKEN&x",
        "invite": "https://id.shop.example/auth/account#invite=TOKEN",
    }
    for purpose, link in expected.items():
        message = messages.compose(
            "reset", "en", to="ada@wutang.example", mail_id=uuid4(), link=(purpose, "TOKEN", timedelta(hours=1))
        )
        assert link in text_of(message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Subject\n\n$link\n$lnik\n", "reset.en.txt:4: $lnik is no placeholder; there are $email, $home, $link"),
        ("Subject\n\n${link} ${user}\n", "reset.en.txt:3: $user is no placeholder"),
        ("Subject for $5\n\n$link\n", "reset.en.txt:1: a single $ is written $$; there are $email"),
        ("Subject\n\n$home\n", "reset.en.txt: $link is missing, without which the mail is of no use"),
        ("\n$link\n", "reset.en.txt:1: the first line is the subject, and the text follows it"),
        ("$link", "reset.en.txt:1: the first line is the subject, and the text follows it"),
    ],
)
def test_what_a_text_cannot_be_is_told_with_file_and_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "reset.en.txt").write_text(text)
    with pytest.raises(TextsError) as caught:
        Texts(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/{said}")


def test_a_file_of_another_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "rest.en.txt").write_text("Subject\n\n$link\n")
    with pytest.raises(TextsError, match=r"rest\.en\.txt is no text of a mail; `wutang-auth mails templates DIR`"):
        Texts(tmp_path)
    with pytest.raises(TextsError, match="none is no directory"):
        Texts(tmp_path / "none")


def test_a_text_of_the_shop_s_own_takes_the_place_of_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "reset.en.txt").write_text("Hello\n\n$link costs $$5\n")
    texts = Texts(tmp_path)
    assert isinstance(texts.text("reset", "en"), Template)
    assert texts.text("reset", "en").substitute(link="L") == "Hello\n\nL costs $5\n"
    assert "$link" in texts.html("reset", "en").template
