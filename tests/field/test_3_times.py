"""Kind 3: what goes in but does not come out."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.commands import run
from support.database import change_users, query
from support.http import assert_refused, success
from support.services import Instance
from support.users import NEW_USER, add_and_log_in, add_user, administrator, create, log_in
from wutang_auth.fields import format_timestamp
from wutang_auth.tokens import key_file

PHP = "$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK/UzircsD1m"
SIX_DIGITS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")

REFUSED = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.0000000+00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-00:01",
    "infinity",
    "-infinity",
    "2016-12-31T23:59:60Z",
    "2020-01-02T03:04:05.1234567Z",
    "0044-03-15T00:00:00Z BC",
    "10000-01-01T00:00:00Z",
    "2020-01-02T24:00:00Z",
    "2020-01-02T03:04:05+24:00",
]


@pytest.mark.parametrize("time", REFUSED, ids=lambda time: f"3: {time}")
async def test_3_time_that_cannot_be_given_back_is_refused(
    service: Instance, environment: dict[str, str], tmp_path: Path, time: str
) -> None:
    root = await administrator(service)
    response = await service.client.post(
        "/api/users", json=NEW_USER | {"email_verified_at": time}, headers=root.headers
    )
    assert [error["field"] for error in assert_refused(response, 422, 10001)["errors"]] == ["email_verified_at"]
    file = tmp_path / "users.csv"
    file.write_text(
        "email,password_hash,email_verified_at,created_at\n"
        f"a@x.example,{PHP},{time},\nb@x.example,{PHP},,{time}\nc@x.example,{PHP},,\n"
    )
    outcome = await run(environment, "users", "import", file, "--json")
    assert (outcome.document["created"], outcome.document["rejected"]) == (1, 2)
    rejects = list(csv.DictReader(io.StringIO((tmp_path / "users.csv.rejects.csv").read_text())))
    assert [row["reason"].split(":")[0] for row in rejects] == ["email_verified_at", "created_at"]


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05.000000Z"),
        ("2020-01-02T03:04:05.12Z", "2020-01-02T03:04:05.120000Z"),
        ("2020-01-02T03:04:05.123456000+05:30", "2020-01-01T21:34:05.123456Z"),
        ("0001-01-01T00:00:00-00:01", "0001-01-01T00:01:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
    ids=lambda text: f"3: {text}",
)
async def test_3_time_is_given_back_with_six_digits(service: Instance, sent: str, given: str) -> None:
    root = await administrator(service)
    user = await create(service, root, email_verified_at=sent)
    assert user["email_verified_at"] == given
    path = f"/api/users/{user['id']}"
    assert success(await service.client.get(path, headers=root.headers))["email_verified_at"] == given


def _times(value: Any) -> list[str]:
    """All texts that begin as a time does."""
    if isinstance(value, dict | list):
        return [time for each in (value.values() if isinstance(value, dict) else value) for time in _times(each)]
    return [value] if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]", value) else []


async def test_3_every_answer_and_command_has_six_digits(
    service: Instance, environment: dict[str, str], keys_file: Path
) -> None:
    whole = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    login = await administrator(service)
    await change_users(service.settings, email_verified_at=whole, created_at=whole, updated_at=whole)
    await query(service.settings, "UPDATE sessions SET created_at = $1, rotated_at = $1", whole)
    for path in ("/api/auth/me", "/api/auth/sessions", "/api/users"):
        times = _times(success(await service.client.get(path, headers=login.headers)))
        assert len(times) == 3
        assert all(map(SIX_DIGITS.fullmatch, times)), times
    email = "root@wutang.example"
    for command in (("users", "list"), ("users", "show", email), ("sessions", "list", email)):
        assert all(map(SIX_DIGITS.fullmatch, _times((await run(environment, *command, "--json")).document)))
        said = (await run(environment, *command)).said
        assert len(re.findall(r"\d\dT\d\d", said)) == len(SIX_DIGITS.findall(said)) > 0
    [exported] = [json.loads(line) for line in (await run(environment, "users", "export")).said.splitlines()]
    assert _times(exported) == ["2020-01-02T03:04:05.000000Z"] * 3
    keys = (await run(environment, "keys", "list", "--json")).document
    assert all(map(SIX_DIGITS.fullmatch, _times(keys)))
    assert all(map(SIX_DIGITS.fullmatch, _times(json.loads(keys_file.read_text()))))  # noqa: ASYNC240 -- a small file
    ring = key_file.load(keys_file)
    made_at = [key.created_at for key in ring.keys] + [key.created_at for key in ring.encryption]
    assert _times(keys) == [format_timestamp(time) for time in made_at]


EARLIEST, LATEST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("-infinity", EARLIEST),
        ("infinity", LATEST),
        ("0044-03-15 00:00:00+00 BC", EARLIEST),
        ("20000-01-01 00:00:00+00", LATEST),
        ("0001-01-01 00:00:00+00", EARLIEST),
    ],
    ids=lambda text: f"3: {text}",
)
async def test_3_time_that_another_program_stored_stops_nothing(
    service: Instance, environment: dict[str, str], tmp_path: Path, stored: str, shown: str
) -> None:
    login = await add_and_log_in(service, scopes=["users:read"])
    await query(
        service.settings,
        f"UPDATE users SET email_verified_at = '{stored}', created_at = '{stored}', updated_at = '{stored}'",
    )
    await query(service.settings, f"UPDATE sessions SET created_at = '{stored}'")
    verified = None if stored == "-infinity" else shown  # the "not set" of .NET
    expected = {"email_verified_at": verified, "created_at": shown, "updated_at": shown}
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert {name: me[name] for name in expected} == expected
    [listed] = success(await service.client.get("/api/users", headers=login.headers))["items"]
    assert listed == me
    [session] = success(await service.client.get("/api/auth/sessions", headers=login.headers))
    assert session["created_at"] == shown
    assert await log_in(service.client)
    [in_list] = (await run(environment, "users", "list", "--json")).document
    assert in_list == (await run(environment, "users", "show", me["email"], "--json")).document == me
    for command in (("users", "list"), ("users", "show", me["email"]), ("sessions", "list", me["email"])):
        assert shown in (await run(environment, *command)).said
    file = tmp_path / "users.csv"
    await run(environment, "users", "export", file)
    await query(service.settings, "DELETE FROM users")
    assert (await run(environment, "users", "import", file, "--json")).document["created"] == 1


async def test_3_session_for_ever_is_listed(service: Instance, environment: dict[str, str]) -> None:
    login = await add_and_log_in(service)
    await query(service.settings, "UPDATE sessions SET expires_at = 'infinity'")
    [session] = success(await service.client.get("/api/auth/sessions", headers=login.headers))
    assert session["expires_at"] == LATEST
    assert LATEST in (await run(environment, "sessions", "list", "ada@wutang.example")).said


async def test_3_one_such_row_among_others(service: Instance, environment: dict[str, str]) -> None:
    for name in "abc":
        await add_user(service.settings, f"{name}@x.example")
    await query(service.settings, "UPDATE users SET email_verified_at = '-infinity' WHERE email = 'b@x.example'")
    assert [user["email"][0] for user in (await run(environment, "users", "list", "--json")).document] == list("abc")
