"""Kind 4: what other systems' dumps look like."""

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import argon2

from support.commands import Outcome, run
from support.database import query
from support.http import success
from support.services import Instance
from support.users import log_in, me
from wutang_auth.fields import format_timestamp, parse_email

PASSWORD = "hunter2!"
PHP = "$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK/UzircsD1m"
ARGON2 = argon2.using(type="ID", memory_cost=1024, time_cost=1, parallelism=1).hash(PASSWORD)
FIREBASE = "Firebase's scrypt"
DOCUMENT = Path(__file__).parents[2] / "docs" / "importing.md"


class Dump:
    """Imports files into a service's database."""

    def __init__(self, environment: dict[str, str], directory: Path, service: Instance) -> None:
        self.environment = environment
        self.directory = directory
        self.service = service

    async def outcome(self, content: str | bytes, *options: str, name: str = "users.csv") -> Outcome:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return await run(self.environment, "users", "import", path, *options)

    async def __call__(self, content: str | bytes, *options: str, name: str = "users.csv") -> dict[str, Any]:
        document: dict[str, Any] = (await self.outcome(content, *options, "--json", name=name)).document
        return document

    async def users(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await query(self.service.settings, "SELECT * FROM users ORDER BY id, email")]

    def rejects(self, name: str = "users.csv.rejects.csv") -> bytes:
        return (self.directory / name).read_bytes()

    def reasons(self, name: str = "users.csv.rejects.csv") -> list[str]:
        content = self.rejects(name).decode("latin-1")
        rows = csv.DictReader(io.StringIO(content)) if name.endswith("csv") else map(json.loads, content.splitlines())
        return [row["reason"] for row in rows]


@pytest.fixture
def dump(environment: dict[str, str], tmp_path: Path, service: Instance) -> Dump:
    return Dump(environment, tmp_path, service)


def row(email: str = "a@x.example", /, **fields: object) -> str:
    """A JSON line."""
    return json.dumps({"email": email, "password_hash": PHP, **fields}) + "\n"


@pytest.mark.parametrize(
    ("written", "options", "read"),
    [
        ("2023-01-02 03:04:05.123456+00", [], "2023-01-02T03:04:05.123456Z"),
        ("2023-01-02 03:04:05+05:30", [], "2023-01-01T21:34:05.000000Z"),
        ("1900-01-01 00:00:00+08:05:43", [], "1899-12-31T15:54:17.000000Z"),
        ("2023-01-02 03:04:05 UTC", ["--timezone", "Asia/Shanghai"], "2023-01-02T03:04:05.000000Z"),
        ("2023-01-02 03:04:05", ["--timezone", "Asia/Shanghai"], "2023-01-01T19:04:05.000000Z"),
        ("2023-01-02 03:04:05", ["--timezone", "+08:00"], "2023-01-01T19:04:05.000000Z"),
        ("2023-01-02 03:04:05+00", ["--timezone", "Asia/Shanghai"], "2023-01-02T03:04:05.000000Z"),
        ("  2023-01-02 03:04:05 ", [], "2023-01-02T03:04:05.000000Z"),
        ("2024-10-27 02:30:00", ["--timezone", "Europe/Berlin"], "2024-10-27T00:30:00.000000Z"),
    ],
    ids=lambda value: f"4: {value}",
)
async def test_4_times_of_databases(dump: Dump, written: str, options: list[str], read: str) -> None:
    await dump(f"email,password_hash,created_at\na@x.example,{PHP},{written}\n", *options)
    [user] = await dump.users()
    assert format_timestamp(user["created_at"]) == read


async def test_4_time_that_a_zone_leaves_out_is_rejected(dump: Dump) -> None:
    content = f"email,password_hash,created_at\na@x.example,{PHP},2024-03-31 02:30:00\nb@x.example,{PHP},\n"
    assert (await dump(content, "--timezone", "Europe/Berlin"))["rejected"] == 1


@pytest.mark.parametrize("zone", ["Asia/Shangai", "../etc/passwd", "+25:00", "", "Asia"])
async def test_4_unknown_zone_is_one_line(dump: Dump, zone: str) -> None:
    outcome = await dump.outcome(f"email,password_hash\na@x.example,{PHP}\n", "--timezone", zone)
    assert outcome.error == "--timezone: this machine knows no such time zone; give its offset, such as +08:00"


@pytest.mark.parametrize("null", ["NULL", "\\N", "", " NULL ", '""'], ids=lambda null: f"4: {null!r}")
@pytest.mark.parametrize("delimiter", [",", "\t", ";"], ids=repr)
async def test_4_no_value_in_every_column(dump: Dump, null: str, delimiter: str) -> None:
    names = ["id", "email", "name", "email_verified_at", "password_hash", "scopes", "disabled", "created_at", "bio"]
    cells = [null, "a@x.example", null, null, PHP, null, null, null, null]
    await dump("".join(delimiter.join(line) + "\n" for line in (names, cells)))
    [user] = await dump.users()
    assert (user["name"], user["email_verified_at"], user["scopes"], user["disabled_at"]) == ("", None, [], None)
    await dump(f"email{delimiter}password_hash\nb@x.example{delimiter}{null}\nc@x.example{delimiter}{PHP}\n")
    assert dump.reasons()[0].startswith("password_hash: must be") if delimiter == "," else True


async def test_4_null_in_quotes_is_a_name_and_an_export_keeps_it(dump: Dump, tmp_path: Path) -> None:
    await dump(f'email,name,password_hash\na@x.example,"NULL",{PHP}\nb@x.example,"5,NULL,""x",{PHP}\n')
    assert [user["name"] for user in await dump.users()] == ["NULL", '5,NULL,"x']
    file = tmp_path / "exported.csv"
    await run(dump.environment, "users", "export", file)
    await query(dump.service.settings, "DELETE FROM users")
    await dump(file.read_bytes())
    assert [user["name"] for user in await dump.users()] == ["NULL", '5,NULL,"x']


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "lines with a BOM": ("users.jsonl", "\ufeff" + row() + row("b@x.example")),
        "an array": ("users.json", f"[{row()},\n{row('b@x.example')}]"),
        "an array in one line": ("users.jsonl", f"[{row().strip()},{row('b@x.example').strip()}]"),
        "an array with a BOM": ("users.jsonl", f"\ufeff \n[\n{row()},{row('b@x.example')}\n]\n"),
        "a pretty array": (
            "users.json", json.dumps([json.loads(row()), json.loads(row("b@x.example", bio='}],["\\'))], indent=4),
        ),
        "CSV with a BOM": ("users.csv", f"\ufeffemail,password_hash\na@x.example,{PHP}\nb@x.example,{PHP}\n"),
        "capital names": ("users.csv", f"Email,PASSWORD\na@x.example,{PHP}\nb@x.example,{PHP}\n"),
        "blanks around cells": ("users.csv", f" email , password \n a@x.example , {PHP}  \nb@x.example\u3000,{PHP}\n"),
        "tabs": ("users.tsv", f"email\tpassword\na@x.example\t{PHP}\nb@x.example\t{PHP}\n"),
    }.values(),
    ids=lambda value: f"4: {value[:20]!r}",
)  # fmt: skip
async def test_4_forms_of_files(dump: Dump, name: str, content: str) -> None:
    assert (await dump(content, name=name))["created"] == 2
    assert [user["email"] for user in await dump.users()] == ["a@x.example", "b@x.example"]


async def test_4_long_array_is_read_in_parts_and_told_by_lines(dump: Dump) -> None:
    rows = [json.loads(row(f"u{n}@x.example", bio="é" * 500)) for n in range(500)]
    rows[300]["email"] = "nobody"
    content = "[\n" + ",\n".join(json.dumps(each) for each in rows) + "\n]"
    assert (await dump(content, name="users.json"))["created"] == 499
    [reject] = [json.loads(line) for line in dump.rejects("users.json.rejects.jsonl").splitlines()]
    assert (reject["line"], reject["email"]) == (302, "nobody")


async def test_4_array_in_one_line_is_told_by_the_order_of_its_elements(dump: Dump) -> None:
    emails = ["a@x.example", "nobody", "A@x.example", "b@x.example"]
    content = "[" + ",".join(row(email).strip() for email in emails) + "]"
    assert (await dump(content, name="users.json"))["created"] == 2
    rejects = [json.loads(line) for line in dump.rejects("users.json.rejects.jsonl").splitlines()]
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [
        (2, "email: must be an e-mail address"),
        (3, "email: the same as in line 1"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"[{row()}", "the JSON array is broken, or not UTF-8, after line 1"),
        (f"[{row()},{{]", "the JSON array is broken, or not UTF-8, after line 1"),
        (f"[{row()}] [", "there is more than a JSON array, after line 1"),
        ("[" * 100_000, "the JSON array is broken, or not UTF-8, after line 1"),
        ('[{"a":"' + "x" * 200_000 + '"}]', "the JSON array is broken, or not UTF-8, after line 1"),
    ],
    ids=lambda text: text[:20],
)
async def test_4_broken_array_is_one_line(dump: Dump, content: str, said: str) -> None:
    assert (await dump.outcome(content, name="users.json")).error == said
    assert await dump.users() == []


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("passwordHash", PHP),
        ("encrypted_password", PHP.replace("$2y$", "$2a$")),
        ("password", f"argon2{ARGON2}"),
        ("password", f"bcrypt${PHP.replace('$2y$', '$2b$')}"),
        ("password", f"{{bcrypt}}{PHP.replace('$2y$', '$2a$')}"),
        ("password", f"{{argon2@SpringSecurity_v5_8}}{ARGON2}"),
        ("password", f"{{BLF-CRYPT}}{PHP}"),
        ("password", f"  {PHP}  "),
    ],
    ids=lambda text: f"4: {text[:16]}",
)
@pytest.mark.parametrize("form", ["csv", "json"])
async def test_4_hash_of_another_system_logs_in(dump: Dump, column: str, written: str, form: str) -> None:
    content = f'email,{column}\na@x.example,"{written}"\n' if form == "csv" else json.dumps(
        [{"email": "a@x.example", column: written}]
    )  # fmt: skip
    assert (await dump(content, name=f"users.{form}"))["created"] == 1
    await log_in(dump.service.client, "a@x.example", PASSWORD)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("bcrypt_sha256$" + PHP, "Django's bcrypt_sha256"),
        ("pbkdf2_sha256$600000$salt$2kZz3vMtLRkS6Q==", "PBKDF2"),
        ("{pbkdf2}5d923b44a6d129f3", "PBKDF2"),
        ("scrypt$16384$salt$8$1$x", "scrypt"),
        ("scrypt:32768:8:1$salt$abcdef", "scrypt"),
        ("$wp$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK", "WordPress's bcrypt over SHA-384"),
        ("$P$BAbcdefghijklmnopqrstuvwxyz0123", "phpass"),
        (
            "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "Firebase's scrypt",
        ),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "MD5, SHA or crypt"),
        ("{noop}hunter2!", "plain text"),
        ("!Hn7vPZZ2Yq", "an unusable password"),
    ],
    ids=lambda text: f"4: {text[:16]}",
)
async def test_4_hash_that_cannot_be_verified_is_told_by_name(dump: Dump, written: str, kind: str) -> None:
    await dump(f"email,password\na@x.example,{written}\nb@x.example,{PHP}\n")
    [reason] = dump.reasons()
    assert f"and {kind} cannot be verified; put the bcrypt hash of a random password here" in reason
    assert written not in reason


@pytest.mark.parametrize("name", ["pw_hash", "password_digest", "Kennwort-Hash"])
async def test_4_unknown_name_of_the_hash_is_guessed(dump: Dump, name: str) -> None:
    option = f"password_hash={name}"
    content = f"email,{name}\na@x.example,{PHP}\n"
    assert (await dump.outcome(content)).error.endswith(f"; if it is called {name} there: --column {option}")
    assert (await dump(content, "--column", option))["created"] == 1
    lines = json.dumps({"email": "b@x.example", name: PHP}) + "\n"
    outcome = await dump.outcome(lines, name="users.jsonl")
    assert outcome.error.startswith("all 1 rows were rejected")
    assert dump.reasons("users.jsonl.rejects.jsonl") == [
        f"no password_hash; if it is called {name} there: --column {option}"
    ]
    assert (await dump(lines, "--column", option, name="users.jsonl"))["created"] == 1


async def test_4_deleted_rows_are_skipped_and_counted(dump: Dump) -> None:
    cells = ["2020-01-02 03:04:05", "", "NULL", "\\N", "0000-00-00 00:00:00", "1", "f", "true"]
    content = "email,password,deleted_at\n" + "".join(f"u{n}@x.example,{PHP},{cell}\n" for n, cell in enumerate(cells))
    outcome = await dump.outcome(content)
    assert outcome.said == "created 5 of 8 users; 0 were there, 3 deleted and skipped, 0 rejected"
    assert [user["email"] for user in await dump.users()] == [f"u{n}@x.example" for n in (1, 2, 3, 4, 6)]
    assert (await dump(content, "--ignore", "deleted_at"))["created"] == 3
    await query(dump.service.settings, "DELETE FROM users")
    await dump(content.replace("\\N", "").replace("0000-00-00 00:00:00", ""), "--column", "disabled=deleted_at")
    assert [user["disabled_at"] is not None for user in await dump.users()] == [
        True, False, False, False, False, True, False, True,
    ]  # fmt: skip
    rows = (
        row(deletedAt=None) + row("b@x.example", deletedAt="2020-01-02T03:04:05Z") + row("c@x.example", isDeleted=True)
    )
    assert (await dump(rows, name="users.jsonl"))["deleted"] == 2


BANS = [
    ("is_active", "disabled=!is_active", {"t": False, "f": True}),
    ("active", "disabled=!active", {"1": False, "0": True}),
    ("enabled", "disabled=!enabled", {"true": False, "False": True}),
    ("banned", "disabled=banned", {"no": False, "yes": True}),
    ("banned_at", "disabled=banned_at", {"": False, "2020-01-02 03:04:05": True}),
    ("locked_at", "disabled=locked_at", {"NULL": False, "2020-01-02 03:04:05+00": True}),
    ("banned_until", "disabled=banned_until", {"": False, "2020-01-02 03:04:05": False, "2999-01-01 00:00:00": True}),
    ("LockoutEnd", "disabled=LockoutEnd", {"": False, "2999-01-01 00:00:00+00": True}),
    ("blocked", "disabled=blocked", {"0": False, "1": True}),
    ("suspended", "disabled=suspended", {"": False, "on": True}),
    ("status", "disabled=status", {"0": False, "1": True}),
    ("deactivated", "disabled=deactivated", {"f": False, "t": True}),
    ("accountNonLocked", "disabled=!accountNonLocked", {"1": False, "0": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "cells"), BANS, ids=lambda value: f"4: {value}"[:24])
async def test_4_column_that_looks_like_a_ban_is_asked_about(
    dump: Dump, name: str, option: str, cells: dict[str, bool]
) -> None:
    content = f"email,password,{name}\n" + "".join(f"u{n}@x.example,{PHP},{cell}\n" for n, cell in enumerate(cells))
    for form, text in (("csv", content), ("jsonl", row(**{name: None}))):
        said = (await dump.outcome(text, name=f"users.{form}")).error
        assert said.startswith(f"the column {name} may tell who is shut out; take it over by --column ")
        assert option in said
        assert said.endswith(f"or give --ignore {name}")
    assert await dump.users() == []
    await dump(content, "--column", option)
    assert [user["disabled_at"] is not None for user in await dump.users()] == list(cells.values())
    assert (await dump(content, "--ignore", name))["unchanged"] == len(cells)


async def test_4_value_that_is_no_ban_is_rejected(dump: Dump) -> None:
    await dump(
        f"email,password,is_active\na@x.example,{PHP},\nb@x.example,{PHP},1\n", "--column", "disabled=!is_active"
    )
    assert dump.reasons() == ["disabled: the column whose opposite it is must be true or false"]


async def test_4_gbk_and_its_reject_file(dump: Dump) -> None:
    content = f"email,name,备注,password_hash\r\na@x.example,李雷,x,{PHP}\r\nnobody,韩梅梅,说“好”,{PHP}\r\n".encode(
        "gb18030"
    )
    assert (await dump(content, "--encoding", "gb18030"))["created"] == 1
    assert [user["name"] for user in await dump.users()] == ["李雷"]
    rejects = dump.rejects()
    header, rejected = rejects.splitlines()
    assert header == b"line,reason," + content.splitlines()[0]
    assert rejected.endswith(content.splitlines()[2])
    mended = rejects.replace(b",nobody,", b",b@x.example,")
    assert (await dump(mended, "--encoding", "gb18030", name="mended.csv"))["created"] == 1
    assert [user["name"] for user in await dump.users()] == ["李雷", "韩梅梅"]


async def test_4_row_in_another_encoding_keeps_its_columns_and_bytes(dump: Dump) -> None:
    good, bad = f"a@x.example,Ada,{PHP}".encode(), f"b@x.example,Andr\xe9,{PHP}".encode("latin-1")
    await dump(b"email,name,password_hash\n" + good + b"\n" + bad + b"\n")
    header, rejected = dump.rejects().splitlines()
    assert rejected == b'3,"not UTF-8; --encoding names another, such as gb18030",' + bad
    assert (await dump(header + b"\n" + rejected + b"\n", "--encoding", "cp1252", name="m.csv"))["created"] == 1
    assert [user["name"] for user in await dump.users()] == ["Ada", "André"]


async def test_4_rejected_json_keeps_its_bytes(dump: Dump) -> None:
    bad = '{"email":"nobody", "password_hash": "x", "n": 1.00, "u": "\\u00e9é", "big": 12345678901234567890123}'
    await dump(row() + bad + "\n", name="users.jsonl")
    [rejected] = dump.rejects("users.jsonl.rejects.jsonl").decode().splitlines()
    assert rejected.endswith(", " + bad[1:])
    outcome = await dump.outcome(rejected, name="again.jsonl")
    assert outcome.code == 1
    assert json.loads(dump.rejects("again.jsonl.rejects.jsonl"))["line"] == 1


async def test_4_reject_file_of_a_reject_file_has_its_columns_once(dump: Dump) -> None:
    await dump(f"email,password_hash\na@x.example,{PHP}\nnobody,{PHP}\n")
    await dump.outcome(dump.rejects(), name="again.csv")
    header, rejected = dump.rejects("again.csv.rejects.csv").decode().splitlines()
    assert header == "line,reason,email,password_hash"
    assert rejected == f'2,"email: must be an e-mail address",nobody,{PHP}'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "klingon", "iso2022_jp", ""])
async def test_4_encoding_that_will_not_do_is_one_line(dump: Dump, encoding: str) -> None:
    said = (await dump.outcome(f"email,password_hash\na@x.example,{PHP}\n", "--encoding", encoding)).error
    assert said.startswith("--encoding must be one that has ASCII as it is")


async def test_4_all_rows_rejected_is_a_failure(dump: Dump) -> None:
    content = f"email,password_hash\nnobody,{PHP}\nnobody,{PHP}\n"
    path = dump.directory / "users.csv.rejects.csv"
    assert (await dump.outcome(content)).error == f"all 2 rows were rejected, see {path}; nothing was imported"
    outcome = await dump.outcome(content, "--json")
    assert outcome.code == 1
    assert json.loads(outcome.stdout)["rejected"] == 2
    assert (await dump.outcome("email,password_hash\n")).code == 0


@pytest.mark.parametrize(
    "text",
    [
        "<c@x.example>", "mailto:g@x.example", "e@gmail,com", "Ada <a@x.example>",
        "a@x.example;b@x.example", "a@x..example", "a@.example", "a@x.example.", "a@[192.0.2.1]", "a@x_y.example",
        '"a"@x.example', "a@x.example>", "a@x.example/", "a@例子。。中国",
    ],
    ids=lambda text: f"4: {text}",
)  # fmt: skip
async def test_4_no_addresses(dump: Dump, text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an e-mail address$"):
        parse_email(text)
    cell = '"' + text.replace('"', '""') + '"'
    await dump(f"email,password_hash\n{cell},{PHP}\nok@x.example,{PHP}\n")
    assert dump.reasons() == ["email: must be an e-mail address"]


@pytest.mark.parametrize("given", ["e=x", "email", "email=!x", "email=a email=b", "email="])
async def test_4_wrong_usage_is_told(dump: Dump, given: str) -> None:
    options = [f"--column={option}" for option in given.split()]
    outcome = await dump.outcome(f"email,password_hash\na@x.example,{PHP}\n", *options)
    assert outcome.code == 2
    assert "--column" in outcome.stderr


async def test_4_column_that_is_not_there_is_told(dump: Dump) -> None:
    options = ["--column", "email_verified_at=confimed_at"]
    for name, content in (
        ("users.csv", f"email,password_hash\na@x.example,{PHP}\n"),
        ("users.jsonl", row("b@x.example")),
    ):
        outcome = await dump.outcome(content, *options, name=name)
        assert (outcome.code, outcome.stderr) == (0, "wutang-auth: warning: no row has the column confimed_at\n")


# -- the recipes of docs/importing.md

SAMPLES: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "Laravel on MySQL": (
        ("id\tname\temail\temail_verified_at\tpassword\tremember_token\tcreated_at\tupdated_at\tdeleted_at\n"
        f"7\tAda\tada@x.example\t2023-01-02 03:04:05\t{PHP}\tNULL\t2023-01-02 03:04:05\t2023-01-02 03:04:05\tNULL\n"
        f"8\tBob\tbob@x.example\tNULL\t{PHP}\tNULL\tNULL\tNULL\t2023-01-02 03:04:05\n"),
        {"id": 7, "name": "Ada", "email_verified_at": "2023-01-02T03:04:05.000000Z"},
    ),
    "Laravel on PostgreSQL": (
        ("id,name,email,email_verified_at,password,remember_token,created_at,updated_at\n"
        f"7,Ada,ada@x.example,2023-01-02 03:04:05,{PHP},,2023-01-02 03:04:05,\n"),
        {"id": 7, "created_at": "2023-01-02T03:04:05.000000Z"},
    ),
    "Django": (
        ("id,email,name,password,is_active,date_joined\n"
        f'7,ada@x.example,Ada Lovelace,"argon2{ARGON2}",t,2023-01-02 03:04:05.123456+00\n'
        f"8,bob@x.example,Bob,bcrypt${PHP.replace('$2y$', '$2b$')},f,2023-01-02 03:04:05.123456+00\n"),
        {"id": 7, "name": "Ada Lovelace", "created_at": "2023-01-02T03:04:05.123456Z"},
    ),
    "Devise": (
        ("id,email,encrypted_password,reset_password_token,confirmed_at,locked_at,created_at,updated_at\n"
        f"7,ada@x.example,{PHP.replace('$2y$', '$2a$')},,2023-01-02 03:04:05.123456,,2023-01-02 03:04:05,\n"
        f"8,bob@x.example,{PHP.replace('$2y$', '$2a$')},,,2023-01-02 03:04:05.123456,2023-01-02 03:04:05,\n"),
        {"id": 7, "email_verified_at": "2023-01-02T03:04:05.123456Z"},
    ),
    "Supabase": (
        ("email,encrypted_password,email_confirmed_at,banned_until,created_at,updated_at,deleted_at\n"
        f"ada@x.example,{PHP.replace('$2y$', '$2a$')},2023-01-02 03:04:05.1+00,2020-01-02 00:00:00+00,,,\n"
        f"bob@x.example,{PHP.replace('$2y$', '$2a$')},,2999-01-02 00:00:00+00,2023-01-02 03:04:05+00,,\n"),
        {"email_verified_at": "2023-01-02T03:04:05.100000Z"},
    ),
    "Auth0": (
        json.dumps({"_id": {"$oid": "60425dc43519d90068f82973"}, "email_verified": False, "email": "ada@x.example",
                    "passwordHash": PHP.replace("$2y$", "$2b$"), "tenant": "x", "connection": "y",
                    "password_set_date": {"$date": "2021-03-05T16:32:49.234Z"}, "_tmp_is_unique": True}) + "\n",
        {"email_verified_at": None},
    ),
    "Firebase": (
        json.dumps({"email": "ada@x.example", "name": "Ada", "disabled": False, "password_hash": PHP,
                    "created_at": "2017-02-05T20:03:02Z"}) + "\n",
        {"name": "Ada", "created_at": "2017-02-05T20:03:02.000000Z"},
    ),
    "Excel": (
        f"email,name,password_hash,created_at\r\nada@x.example,李雷,{PHP},2023-01-02 08:00:00\r\n",
        {"name": "李雷", "created_at": "2023-01-02T00:00:00.000000Z"},
    ),
}  # fmt: skip


def _recipes() -> list[tuple[str, list[str]]]:
    """The import command of each section of the document."""
    recipes = []
    for section in DOCUMENT.read_text().split("\n## ")[1:]:
        title = section.partition("\n")[0]
        commands = re.findall(r"^    wutang-auth (users import .+)$", section, re.MULTILINE)
        recipes += [(title, shlex.split(command)) for command in commands]
    return recipes


def test_4_every_source_has_its_recipe() -> None:
    assert {title for title, _ in _recipes()} == SAMPLES.keys()


@pytest.mark.parametrize(("title", "command"), _recipes(), ids=lambda value: value if isinstance(value, str) else "")
async def test_4_recipe_brings_a_user_who_logs_in(dump: Dump, title: str, command: list[str]) -> None:
    content, expected = SAMPLES[title]
    encoded = content.encode("gb18030" if "gb18030" in command else "utf-8") if isinstance(content, str) else content
    imported = await dump(encoded, *command[3:], name=command[2])
    assert imported["rejected"] == 0
    login = await log_in(dump.service.client, "ada@x.example", PASSWORD)
    shown = success(await me(dump.service, login))
    assert {name: shown[name] for name in expected} == expected
    others = [user for user in await dump.users() if user["email"] != "ada@x.example"]
    assert all(user["disabled_at"] is not None for user in others)
