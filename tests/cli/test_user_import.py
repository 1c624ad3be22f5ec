"""Taking over the users of another system, and giving them to one."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.commands import Outcome, run, run_apart
from support.database import change_users, delete_users, fill_users, query
from support.http import success
from support.services import Instance
from support.users import add_user, log_in

PASSWORD = "hunter2!"
PHP = "$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK/UzircsD1m"
COLUMNS = "id,email,name,email_verified_at,password_hash,scopes,disabled,created_at,updated_at"


class Importer:
    """Imports and exports on a service's database."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.environment = environment
        self.directory = directory

    async def __call__(self, content: str | bytes, *options: str, name: str = "users.csv") -> dict[str, Any]:
        outcome = await self.outcome(content, *options, "--json", name=name)
        document: dict[str, Any] = outcome.document
        return document

    async def outcome(self, content: str | bytes, *options: str, name: str = "users.csv") -> Outcome:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return await run(self.environment, "users", "import", path, *options)

    async def export(self, *arguments: object) -> Outcome:
        return await run(self.environment, "users", "export", *arguments)

    def rejects(self, name: str = "users.csv.rejects.csv", *, delimiter: str = ",") -> list[dict[str, str]]:
        content = (self.directory / name).read_bytes().decode(errors="replace")
        if name.endswith("jsonl"):
            return [json.loads(line) for line in content.splitlines()]
        return list(csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True))

    def reasons(self, name: str = "users.csv.rejects.csv") -> dict[int, str]:
        return {int(row["line"]): row["reason"] for row in self.rejects(name)}


@pytest.fixture
def importer(environment: dict[str, str], tmp_path: Path) -> Importer:
    return Importer(environment, tmp_path)


async def users(service: Instance) -> list[dict[str, Any]]:
    return [dict(row) for row in await query(service.settings, "SELECT * FROM users ORDER BY id")]


def counts(rows: int, created: int, unchanged: int = 0, rejected: int = 0, deleted: int = 0) -> dict[str, int]:
    return {"rows": rows, "created": created, "unchanged": unchanged, "deleted": deleted, "rejected": rejected}


async def test_laravel_s_users_come_along(importer: Importer, service: Instance) -> None:
    """As `SELECT * FROM users` of Laravel's own table."""
    imported = await importer(
        "id,name,email,email_verified_at,password,remember_token,created_at,updated_at\n"
        f'7,"Grace ""Amazing"" Hopper, 客户",Grace@Shop.example,2020-01-02 03:04:05,{PHP},tok,2019-01-02 03:04:05,\n'
        f"3,Ada,ada@shop.example,\\N,{PHP},,2018-01-02 03:04:05,2018-02-02 03:04:05\n"
    )
    assert imported == counts(2, 2) | {"rejects": None, "ignored_columns": ["remember_token"]}
    assert not list(importer.directory.glob("*reject*"))
    login = await log_in(service.client, "grace@shop.example", PASSWORD)
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert me == {
        "id": 7,
        "name": 'Grace "Amazing" Hopper, 客户',
        "email": "Grace@Shop.example",
        "email_verified_at": "2020-01-02T03:04:05.000000Z",
        "scopes": [],
        "disabled": False,
        "created_at": "2019-01-02T03:04:05.000000Z",
        "updated_at": "2019-01-02T03:04:05.000000Z",
    }
    # and the hash is ours after the login
    [ada, grace] = await users(service)
    assert grace["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (ada["password_hash"], ada["email_verified_at"]) == (PHP, None)


async def test_json_lines_come_along(importer: Importer, service: Instance) -> None:
    rows = [
        {"email": "ada@shop.example", "password_hash": PHP},
        {"id": 9, "email": "bob@shop.example", "password": PHP, "name": "Bob", "scopes": ["b", "a", "a"],
         "disabled": True, "email_verified_at": "2020-01-02T03:04:05.678+02:00", "created_at": None, "extra": {"x": 1}},
        {"id": "10", "email": "eve@shop.example", "password_hash": PHP, "scopes": "a b", "disabled": 0},
    ]  # fmt: skip
    content = "".join(f"{json.dumps(row)}\n\n" for row in rows)
    imported = await importer(content, name="users.jsonl")
    assert imported == counts(3, 3) | {"rejects": None, "ignored_columns": ["extra"]}
    by_email = {user["email"]: user for user in await users(service)}
    assert by_email["bob@shop.example"]["id"] == 9
    assert by_email["bob@shop.example"]["scopes"] == ["a", "b"]
    assert by_email["bob@shop.example"]["disabled_at"] is not None
    assert by_email["bob@shop.example"]["email_verified_at"].isoformat() == "2020-01-02T01:04:05.678000+00:00"
    assert by_email["eve@shop.example"]["scopes"] == ["a", "b"]
    assert by_email["ada@shop.example"]["id"] > 10


async def test_running_it_again_changes_nothing(importer: Importer, service: Instance) -> None:
    content = f"id,email,password_hash\n5,ada@shop.example,{PHP}\n,bob@shop.example,{PHP}\nx,eve@shop.example,{PHP}\n"
    await importer(content)
    before = await users(service)
    assert await importer(content) | {"rejects": None} == counts(3, 0, 2, 1) | {"rejects": None, "ignored_columns": []}
    assert await users(service) == before
    # also when the users went on: another hash, another name
    await log_in(service.client, "ada@shop.example", PASSWORD)
    await change_users(service.settings, user_id=5, name="Ada", scopes=["a"], disabled_at=datetime.now(UTC))
    before = await users(service)
    await importer(content)
    assert await users(service) == before


async def test_given_ids_are_kept_and_new_ones_lie_beyond(importer: Importer, service: Instance) -> None:
    await add_user(service.settings, "first@shop.example")
    rows = [(50, "a"), ("", "b"), (3, "c"), ("", "d"), (2**53 - 2, "e"), (51, "f")]
    content = "id,email,password_hash\n" + "".join(f"{id_},{name}@shop.example,{PHP}\n" for id_, name in rows)
    assert (await importer(content))["created"] == 6
    ids = {user["email"][0]: user["id"] for user in await users(service)}
    assert {name: ids[name] for name in "acef"} == {"a": 50, "c": 3, "e": 2**53 - 2, "f": 51}
    assert min(ids["b"], ids["d"]) > 2**53 - 2
    created = await add_user(service.settings, "later@shop.example")
    assert created.id == max(ids.values()) + 1


async def test_second_run_uses_up_no_ids(importer: Importer, service: Instance) -> None:
    content = f"email,password_hash\nada@shop.example,{PHP}\nbob@shop.example,{PHP}\n"
    for _ in range(3):
        await importer(content)
    assert (await add_user(service.settings, "next@shop.example")).id == 3


BAD_CELLS = [
    ("id", "0", "id: must be a whole number"),
    ("id", "-5", "id: must be a whole number"),
    ("id", "5.0", "id: must be a whole number"),
    ("id", "five", "id: must be a whole number"),
    ("id", "٥", "id: must be a whole number"),
    ("id", str(2**53), "id: must be a whole number"),
    ("id", "9" * 30, "id: must be a whole number"),
    ("email", "", "email: must be an e-mail address"),
    ("email", "nobody", "email: must be an e-mail address"),
    ("email", "a@b@c", "email: must be an e-mail address"),
    ("email", "nul\x00@shop.example", "email: must be an e-mail address"),
    ("email", "x" * 300 + "@shop.example", "email: must be an e-mail address"),
    ("name", "x" * 256, "name: must be one line"),
    ("name", "nul\x00", "name: must be one line"),
    ("name", "\x1b[31m", "name: must be one line"),
    ("password_hash", "", "password_hash: must be a bcrypt or argon2 hash"),
    ("password_hash", "hunter2!", "password_hash: must be a bcrypt or argon2 hash"),
    ("password_hash", "5f4dcc3b5aa765d61d8327deb882cf99", "password_hash: must be a bcrypt or argon2 hash"),
    ("password_hash", PHP[:-1], "password_hash: must be a bcrypt or argon2 hash"),
    ("password_hash", PHP.replace("$10$", "$31$"), "password_hash: must be a bcrypt or argon2 hash"),
    ("password_hash", "$argon2id$v=19$m=99999999,t=9,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "password_hash: must be"),
    ("email_verified_at", "yesterday", "email_verified_at: must be a time"),
    ("email_verified_at", "0000-00-00 00:00:00", "email_verified_at: must be a time"),
    ("created_at", "2020-02-30 00:00:00", "created_at: must be a time"),
    ("updated_at", "infinity", "updated_at: must be a time"),
    ("scopes", "Users:Read", "scopes: must be names"),
    ("scopes", "a;b", "scopes: must be names"),
    ("disabled", "maybe", "disabled: must be true or false"),
]


async def test_bad_rows_are_told_and_the_good_ones_kept(importer: Importer, service: Instance) -> None:
    good = {"email": "good{}@shop.example", "name": "Good", "password_hash": PHP}
    output = io.StringIO()
    rows = csv.DictWriter(output, COLUMNS.split(","), lineterminator="\n")
    rows.writeheader()
    for number, (column, value, _) in enumerate(BAD_CELLS):
        rows.writerow(good | {"email": f"bad{number}@shop.example", column: value})
        rows.writerow(good | {"email": f"good{number}@shop.example"})
    imported = await importer(output.getvalue())
    total = len(BAD_CELLS)
    path = importer.directory / "users.csv.rejects.csv"
    assert imported == counts(2 * total, total, 0, total) | {"rejects": str(path), "ignored_columns": []}
    assert [user["email"] for user in await users(service)] == [f"good{number}@shop.example" for number in range(total)]
    assert path.stat().st_mode & 0o777 == 0o600
    rejects = importer.rejects()
    assert [int(row["line"]) for row in rejects] == list(range(2, 2 * total + 2, 2))
    for row, (column, value, reason) in zip(rejects, BAD_CELLS, strict=True):
        assert row["reason"].startswith(reason), (column, value)
        assert row[column] == value
        assert value == "" or value not in row["reason"] or len(value) < 3


async def test_rejected_rows_are_mended_in_their_file(importer: Importer, service: Instance) -> None:
    content = f"email;password_hash\nada@shop.example;{PHP}\nbob;{PHP}\neve@shop.example;plain\n"
    await importer(content)
    rejected = importer.directory / "users.csv.rejects.csv"
    mended = rejected.read_text().replace(";bob;", ";bob@shop.example;")
    imported = await importer(mended, name="mended.csv")
    assert imported == counts(2, 1, 0, 1) | {
        "rejects": str(importer.directory / "mended.csv.rejects.csv"), "ignored_columns": [],
    }  # fmt: skip
    [reject] = importer.rejects("mended.csv.rejects.csv", delimiter=";")
    assert (reject["email"], reject["password_hash"]) == ("eve@shop.example", "plain")
    assert [user["email"] for user in await users(service)] == ["ada@shop.example", "bob@shop.example"]


async def test_repeated_and_contradicting_rows_are_told(importer: Importer, service: Instance) -> None:
    there = await add_user(service.settings, "there@shop.example")
    rows = [
        "10,ada@shop.example",  # 2
        "11,ADA@shop.example",  # 3: in another spelling
        ",ada@shop.example",  # 4
        "10,bob@shop.example",  # 5: the id of line 2
        "12,there@shop.example",  # 6: there already, under another id
        f"{there.id},other@shop.example",  # 7: the id of another user
        f"{there.id},THERE@shop.example",  # 8: the same user as in line 6
        ",there@shop.example",  # 9: likewise
    ]
    content = "id,email,password_hash\n" + "".join(f"{row},{PHP}\n" for row in rows)
    imported = await importer(content)
    assert {name: imported[name] for name in counts(0, 0)} == counts(8, 1, 0, 7)
    assert importer.reasons() == {
        3: "email: the same as in line 2",
        4: "email: the same as in line 2",
        5: "id: the same as in line 2",
        6: f"email: the user {there.id} has it",
        7: "id: another user has it",
        8: "email: the same as in line 6",
        9: "email: the same as in line 6",
    }
    assert [user["email"] for user in await users(service)] == ["there@shop.example", "ada@shop.example"]


async def test_quotes_too_many_spoil_one_row_only(importer: Importer, service: Instance) -> None:
    content = (
        "name,email,password_hash\n"
        f'"open,a@shop.example,{PHP}\n'  # 2
        f"Bob,b@shop.example,{PHP}\n"
        f"5'10\" tall,c@shop.example,{PHP}\n"  # 4: fine, though with a quote
        f'"two\nlines",d@shop.example,{PHP}\n'  # 5: a field of two lines is CSV, but no name
        f"Eve,e@shop.example,{PHP}\n"  # 7
        f"few,{PHP}\n"  # 8
        f"many,f@shop.example,{PHP},x\n"  # 9
        f'"Quoted, well",g@shop.example,{PHP}\r\n'
        f'"open to the end,h@shop.example,{PHP}\n'  # 11
    )
    imported = await importer(content)
    assert imported["created"] == 4
    emails = [user["email"][0] for user in await users(service)]
    assert emails == ["b", "c", "e", "g"]
    assert importer.reasons() == {
        2: "not CSV: check the quotes",
        5: "name: must be one line of at most 255 characters",
        8: "2 fields, not 3",
        9: "4 fields, not 3",
        11: "not CSV: check the quotes",
    }
    assert [row["name"] for row in importer.rejects()][:2] == [f'"open,a@shop.example,{PHP}', "two\nlines"]


async def test_field_of_several_lines_in_a_column_that_is_ignored(importer: Importer, service: Instance) -> None:
    content = f'email,bio,password_hash\nada@shop.example,"line\n\nline, ""quoted""\n",{PHP}\nbob,"a\nb",{PHP}\n'
    imported = await importer(content)
    assert imported | {"rejects": None} == counts(2, 1, 0, 1) | {"rejects": None, "ignored_columns": ["bio"]}
    assert [user["email"] for user in await users(service)] == ["ada@shop.example"]
    [reject] = importer.rejects()
    assert (reject["line"], reject["email"], reject["bio"]) == ("6", "bob", "a\nb")


async def test_bytes_that_are_no_text_spoil_one_row_only(importer: Importer, service: Instance) -> None:
    rows = [b"ada@shop.example,Ad\xe9", b"bob@shop.example,B" + b"x" * 70_000, b"eve@shop.example,E", b"\xff\xfe\x00"]
    content = b"\xef\xbb\xbfemail,name,password_hash\r\n" + b"".join(row + f",{PHP}\r\n".encode() for row in rows)
    imported = await importer(content)
    assert [user["email"] for user in await users(service)] == ["eve@shop.example"]
    assert imported["rejected"] == 3
    not_utf8 = "not UTF-8; --encoding names another, such as gb18030"
    assert importer.reasons() == {2: not_utf8, 3: "longer than 64 KiB", 5: not_utf8}


async def test_bad_json_lines_are_told(importer: Importer, service: Instance) -> None:
    lines = [
        '{"email": "ada@shop.example"',
        "[]",
        '"text"',
        "{}",
        '{"email": "a@b.example", "email": "c@d.example"}',
        f'{{"email": "lone\\ud800@shop.example", "password_hash": "{PHP}"}}',
        f'{{"email": "nul\\u0000@shop.example", "password_hash": "{PHP}"}}',
        f'{{"email": ["ada@shop.example"], "password_hash": "{PHP}"}}',
        f'{{"email": "ada@shop.example", "password_hash": {{"x": "{PHP}"}}}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "id": 1.0}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "id": true}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "name": 5}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "scopes": [1]}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "scopes": {{}}}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "disabled": "perhaps"}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "disabled": [true]}}',
        f'{{"email": "ada@shop.example", "password_hash": "{PHP}", "created_at": 1577934245}}',
        "[" * 100_000,
        f'{{"email": "good@shop.example", "password_hash": "{PHP}"}}',
    ]
    imported = await importer("\n".join(lines), name="users.ndjson")
    path = importer.directory / "users.ndjson.rejects.jsonl"
    assert imported == counts(19, 1, 0, 18) | {"rejects": str(path), "ignored_columns": []}
    assert [user["email"] for user in await users(service)] == ["good@shop.example"]
    assert set(importer.reasons(path.name)) == set(range(1, 19))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the first line, which names the columns, has no email"),
        ("\n\n", "the first line, which names the columns, has no email"),
        ("id,name\n", "the first line, which names the columns, has no email"),
        ("id,email\n", "the first line, which names the columns, has no password_hash"),
        ("email,email,password_hash\n", "the first line, which names the columns, has one of them twice"),
        (
            b"\xff\xfee\x00m\x00a\x00i\x00l\x00",
            "the file is UTF-16: save it as UTF-8, or make it that by iconv -f UTF-16 -t UTF-8",
        ),
        ('"email,password_hash\n', "the first line is no CSV header: not CSV: check the quotes"),
    ],
)
async def test_file_without_its_columns_is_refused(importer: Importer, content: str | bytes, said: str) -> None:
    assert (await importer.outcome(content)).error == said


async def test_what_cannot_be_read_or_written_is_said(importer: Importer, service: Instance) -> None:
    missing = importer.directory / "missing.csv"
    error = (await run(importer.environment, "users", "import", missing)).error
    assert error == f"{missing} cannot be read: No such file or directory"
    content = f"email,password_hash\nada@shop.example,{PHP}\nbob,{PHP}\n"
    nowhere = importer.directory / "nowhere" / "rejects.csv"
    error = (await importer.outcome(content, "--rejects", str(nowhere))).error
    assert error.endswith("give --rejects a place; nothing was imported")
    for place in (importer.directory, importer.directory / "users.csv"):
        assert "is no place for the rejected rows" in (await importer.outcome(content, "--rejects", str(place))).error
    assert await users(service) == []
    assert (await importer.outcome(content, name="users.txt")).code == 2
    await importer(content, "--format", "csv", name="users.txt")
    assert set(importer.reasons("users.txt.rejects.csv")) == {3}


async def test_standard_input_and_output_do(importer: Importer) -> None:
    content = f"email,password_hash\nada@shop.example,{PHP}\nbob,{PHP}\n"
    rejects = importer.directory / "bad.csv"
    outcome = await run(
        importer.environment, "users", "import", "-", "--format", "csv", "--rejects", rejects, stdin=content.encode()
    )
    assert outcome.said == f"created 1 of 2 users; 0 were there, 1 rejected, see {rejects}"
    [exported] = [json.loads(line) for line in (await importer.export()).said.splitlines()]
    assert exported["email"] == "ada@shop.example"
    header, row = (await importer.export("--format", "csv")).said.splitlines()
    assert header == COLUMNS
    assert row.startswith(f"1,ada@shop.example,,,{PHP},,false,")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_exported_users_are_the_same_after_an_import(importer: Importer, service: Instance, form: str) -> None:
    names = ["Ada", "", 'quoted "name", with; commas', "客户 🐙", "=1+1", "-", " spaced "]
    for number, name in enumerate(names):
        await add_user(
            service.settings, f"user{number}@shop.example", name=name.strip(), scopes=["a", "b:c"][: number % 3],
            disabled=number == 3,
        )  # fmt: skip
    verified_at = datetime.fromisoformat("2020-01-02T03:04:05.678901+05:00")
    await change_users(service.settings, user_id=2, email_verified_at=verified_at)
    await query(service.settings, "UPDATE users SET id = id + 100 WHERE id > 4")
    before = await users(service)
    path = importer.directory / f"exported.{form}"
    assert (await importer.export(path)).said == f"exported 7 users to {path}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await importer.export(path)).error == f"{path} exists; --force replaces it"
    await importer.export(path, "--force")
    await delete_users(service.settings)
    imported = await importer(path.read_bytes(), name=f"again.{form}")
    assert imported == counts(7, 7) | {"rejects": None, "ignored_columns": []}
    after = await users(service)
    for user in before + after:
        user["disabled_at"] = user["disabled_at"] is not None
    assert after == before
    assert {path.name for path in importer.directory.iterdir()} == {f"exported.{form}", f"again.{form}"}


async def test_more_users_than_a_page_are_exported_each_once(importer: Importer, service: Instance) -> None:
    await fill_users(service.settings, 2345)
    exported = [json.loads(line)["id"] for line in (await importer.export()).said.splitlines()]
    assert exported == list(range(1, 2346))


async def test_ten_thousand_rows_are_imported_and_again_change_nothing(importer: Importer) -> None:
    rows = [f"{number},user{number}@shop.example,{PHP}" for number in range(1, 10_001)]
    rows[499] = rows[499].replace("@", " at ")
    rows[5000] = rows[5000].replace("$2y$", "$9z$")
    rows[9999] = "10000,USER7@shop.example," + PHP
    content = "id,email,password_hash\n" + "\n".join(rows)
    outcome = await importer.outcome(content)
    path = importer.directory / "users.csv.rejects.csv"
    assert outcome.said == f"created 9,997 of 10,000 users; 0 were there, 3 rejected, see {path}"
    assert set(importer.reasons()) == {501, 5002, 10_001}
    outcome = await importer.outcome(content)
    assert outcome.said == f"created 0 of 10,000 users; 9,997 were there, 3 rejected, see {path}"


async def test_terminal_shows_a_progress_bar(importer: Importer) -> None:
    path = importer.directory / "users.csv"
    path.write_text("email,password_hash\n" + "".join(f"u{n}@shop.example,{PHP}\n" for n in range(20_000)))
    screen = (await run_apart(importer.environment, "users", "import", path, answers={})).said
    assert "reading" in screen
    assert "━" in screen
    assert "created 20,000 of 20,000 users; 0 were there, 0 rejected" in screen
