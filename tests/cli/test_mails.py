"""The commands for mails, and those for accounts that mail something."""

from pathlib import Path

import pytest

from support.commands import Shell
from support.database import query
from support.mail import Mailbox, waiting_mails
from support.services import Start
from support.users import NEW_PASSWORD, add_user, log_in


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Shell:
    """Commands on this test's database, with mail."""
    mail = {
        "WUTANG_SMTP_URL": (tmp_path / "mails").as_uri(),
        "WUTANG_MAIL_FROM": "Shop <no-reply@shop.example>",
        "WUTANG_PUBLIC_URL": "https://id.shop.example/auth",
    }
    return Shell(environment | mail)


async def test_who_is_invited_chooses_the_password(shell: Shell, start: Start, mailbox: Mailbox) -> None:
    said = (await shell("users invite Grace@wutang.example --name Grace --scope users:read")).said
    assert said == "invited user 1, Grace@wutang.example"
    service = await start(**mailbox.settings())
    body = {"token": await mailbox.token(service, "invite"), "password": NEW_PASSWORD}
    assert (await service.client.put("/api/auth/password/reset", json=body)).status_code == 200
    await log_in(service.client, "grace@wutang.example", NEW_PASSWORD)
    assert (await shell("users invite grace@wutang.example")).error == "another user has this e-mail"


async def test_a_password_set_by_an_operator_is_told_by_mail(shell: Shell, environment: dict[str, str]) -> None:
    await add_user(environment["WUTANG_DATABASE_URL"])
    for commands in (shell, Shell(environment)):  # without mail nothing is written
        assert (await commands("users set-password ada@wutang.example --password-stdin", stdin=NEW_PASSWORD)).code == 0
        assert await waiting_mails(environment["WUTANG_DATABASE_URL"]) == ["password_changed"]


async def test_what_waits_is_listed_retried_and_dropped(shell: Shell, environment: dict[str, str]) -> None:
    url = environment["WUTANG_DATABASE_URL"]
    await add_user(url)
    for _ in range(2):
        await shell("users send-reset ADA@wutang.example")
    [first, second] = (await shell("mails list --json")).document
    assert {first["kind"], second["kind"]} == {"reset"}
    assert first["email"] == "ada@wutang.example"
    await query(url, "UPDATE mails SET due_at = now() + interval '1 hour', attempts = 7")
    await query(url, "UPDATE mails SET due_at = now() + interval '59 s' WHERE id = $1::uuid", first["id"])
    left = "1 mail due now; 1 being sent, or due within a minute anyway"
    assert (await shell("mails retry")).said == left
    assert (await shell("mails retry --json")).document == {"due": 0, "left_alone": 1}
    await query(url, "UPDATE mails SET due_at = now() + interval '1 hour' WHERE id = $1::uuid", first["id"])
    assert (await shell("mails retry")).said == "1 mail due now; 0 being sent, or due within a minute anyway"
    assert [row["attempts"] for row in await query(url, "SELECT attempts FROM mails WHERE due_at <= now()")] == [0, 0]
    assert (await shell("mails drop")).error == "no terminal to ask at; --yes does it without asking"
    assert (await shell("mails drop --yes")).said == "dropped 2 mails"
    assert (await shell("mails list --json")).document == []


async def test_without_mail_nobody_is_invited(environment: dict[str, str]) -> None:
    await add_user(environment["WUTANG_DATABASE_URL"])
    shell = Shell(environment)
    for line in ("users invite grace@wutang.example", "users send-reset ada@wutang.example"):
        assert (await shell(line)).error == "mail is off; set WUTANG_SMTP_URL"
    assert (await shell("mails test ada@wutang.example")).error == (
        "WUTANG_SMTP_URL is not set; without a mail server mail is off"
    )


async def test_a_test_mail_says_whether_the_server_takes_mails(shell: Shell, tmp_path: Path) -> None:
    assert (await shell("mails test ada@wutang.example")).said == "the mail server took a mail to ada@wutang.example"
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 1
    away = Shell(shell.environment | {"WUTANG_SMTP_URL": "smtp://127.0.0.1:1"})
    assert (await away("mails test ada@wutang.example")).error == "no mail was sent: the mail server cannot be reached"


async def test_texts_are_written_once_and_used(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    assert (await shell(f"mails templates {folder}")).said == (
        f"wrote 56 texts to {folder}; WUTANG_MAIL_TEMPLATES={folder} uses them"
    )
    (folder / "reset.en.txt").write_text("Subject\n\n$link $nmae\n")
    assert (await shell(f"mails templates {folder}")).said.startswith("wrote 0 texts")
    with_texts = Shell(shell.environment | {"WUTANG_MAIL_TEMPLATES": str(folder)})
    assert (await with_texts("mails test ada@wutang.example")).error == (
        f"no mail was sent: WUTANG_MAIL_TEMPLATES: {folder}/reset.en.txt:3: $nmae is no placeholder; "
        "there are $email, $home, $link, $site, $valid"
    )


async def test_who_has_no_password_yet_is_exported_and_imported(shell: Shell, tmp_path: Path) -> None:
    await shell("users invite grace@wutang.example")
    file = tmp_path / "users.csv"
    assert (await shell(f"users export {file}")).code == 0
    assert (await shell("users delete grace@wutang.example --yes")).code == 0
    assert (await shell(f"users import {file}")).said == "created 1 of 1 users; 0 were there, 0 rejected"
