"""`wutang-auth dev`: everything, with nothing to set up, and nothing left behind."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.commands import PROGRAM, Outcome, run_apart
from support.http import assert_refused, success
from support.tokens import bearer

COMMAND = [*PROGRAM, "dev"]


@dataclass
class Dev:
    """A running `wutang-auth dev`."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path

    @property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "dev.json").read_text())
        return found

    @property
    def said(self) -> str:
        return self.log.read_text()

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def developing(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Dev]:
    """`wutang-auth dev` on a free port, as soon as it says where it runs."""
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    log = data_dir.with_name("said")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--data-dir", str(data_dir), *arguments],
            env=inherited | environment, stdout=output, stderr=output,
        )  # fmt: skip
    dev = Dev(process, data_dir, log)
    try:
        while "Ctrl-C stops it." not in dev.said:
            assert process.poll() is None, dev.said
            time.sleep(0.02)
        yield dev
    finally:
        process.kill()
        process.wait()
        wait_until_gone(data_dir)


def servers_of(data_dir: Path) -> list[int]:
    """The processes of PostgreSQL that work in this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"postgres" in command and str(data_dir).encode() in command:
                found.append(int(entry.name))
    return found


def wait_until_gone(data_dir: Path) -> None:
    deadline = time.monotonic() + 10
    while servers_of(data_dir):
        assert time.monotonic() < deadline, "PostgreSQL is still there"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the first test makes and the others find."""
    return tmp_path_factory.mktemp("dev") / "data"


def command(*arguments: object, **environment: str) -> Outcome:
    return asyncio.run(run_apart(environment, *arguments))


def test_dev_says_where_to_go_and_what_it_prints_works(data_dir: Path) -> None:
    with developing(data_dir) as dev:
        details, said = dev.details, dev.said
        assert set(details) >= {"base_url", "email", "password"}
        assert (data_dir / "dev.json").stat().st_mode & 0o777 == 0o600
        assert (data_dir / "keys.json").stat().st_mode & 0o777 == 0o600
        for part in (details["base_url"], f"{details['base_url']}/docs", details["email"], details["password"]):
            assert part in said

        [curl] = re.findall(r"curl .+", said)
        _, _, url, _, header, _, body = shlex.split(curl)
        answer = httpx.post(url, content=body, headers=dict([header.split(": ")]))
        tokens = success(answer)
        with httpx.Client(base_url=details["base_url"]) as client:
            assert client.get("/docs").status_code == 200
            assert client.get("/readyz").status_code == 200
            me = success(client.get("/api/auth/me", headers=bearer(tokens["access_token"])))
            assert me["email"] == details["email"]
            assert {"users:read", "users:write"} <= set(me["scopes"])
            tokens = success(client.put("/api/auth/refresh", headers=bearer(tokens["refresh_token"])))
            success(client.delete("/api/auth/logout", headers=bearer(tokens["access_token"])))
            gone = client.get("/api/auth/me", headers=bearer(tokens["access_token"]))
            assert assert_refused(gone, 401, 40001) == {"code": 40001, "message": "Unauthenticated.", "data": None}

        second = command("dev", "--port", "0", "--data-dir", data_dir)
        assert second.error == (
            f"another `wutang-auth dev` runs on {data_dir} at {details['base_url']} "
            f"(pid {dev.process.pid}); use it, stop it, or give another --data-dir"
        )
        assert servers_of(data_dir)
        assert dev.stop(signal.SIGTERM) == 0
        assert dev.said.endswith("stopped\n")
        assert "Traceback" not in dev.said
        assert servers_of(data_dir) == []


def test_warm_start_keeps_the_password(data_dir: Path) -> None:
    before = json.loads((data_dir / "dev.json").read_text())
    with developing(data_dir) as dev:
        credentials = {"email": before["email"], "password": before["password"]}
        success(httpx.post(f"{dev.details['base_url']}/api/auth/login", json=credentials))
        assert dev.details["password"] == before["password"]
        assert dev.stop(signal.SIGINT) == 0
        assert "Traceback" not in dev.said
        assert servers_of(data_dir) == []


def test_kill_9_leaves_nothing_and_no_obstacle(data_dir: Path) -> None:
    with developing(data_dir) as dev:
        credentials = {name: dev.details[name] for name in ("email", "password")}
        tokens = success(httpx.post(f"{dev.details['base_url']}/api/auth/login", json=credentials))
        dev.process.kill()
        dev.process.wait()
        wait_until_gone(data_dir)
    with developing(data_dir) as dev:
        success(httpx.get(f"{dev.details['base_url']}/api/auth/me", headers=bearer(tokens["access_token"])))
        assert dev.stop(signal.SIGTERM) == 0


def test_demo_user_that_was_disabled_can_log_in_again(data_dir: Path) -> None:
    email = json.loads((data_dir / "dev.json").read_text())["email"]
    assert command("users", "disable", email, "--data-dir", data_dir).said
    with developing(data_dir) as dev:
        credentials = {name: dev.details[name] for name in ("email", "password")}
        success(httpx.post(f"{dev.details['base_url']}/api/auth/login", json=credentials))
        assert dev.stop(signal.SIGTERM) == 0


def test_taken_port_is_one_line_and_starts_nothing(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = command("dev", "--port", port, "--data-dir", data_dir)
    assert refused.error == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"
    assert servers_of(data_dir) == []


def test_bad_setting_is_one_line_and_leaves_nothing(data_dir: Path) -> None:
    refused = command("dev", "--port", "0", "--data-dir", data_dir, WUTANG_ACCESS_TTL="canary")
    assert refused.error.startswith("WUTANG_ACCESS_TTL: ")
    assert "canary" not in refused.error
    assert servers_of(data_dir) == []


def test_file_in_place_of_the_data_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = command("dev", "--port", "0", "--data-dir", tmp_path / "file")
    assert refused.error.startswith(f"the data directory {tmp_path / 'file'} cannot be used")


def test_settings_hold_and_the_database_is_its_own(data_dir: Path) -> None:
    elsewhere = {"WUTANG_ACCESS_TTL": "77", "WUTANG_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    with developing(data_dir, **elsewhere) as dev:
        credentials = {name: dev.details[name] for name in ("email", "password")}
        tokens = success(httpx.post(f"{dev.details['base_url']}/api/auth/login", json=credentials))
        assert tokens["expires_in"] == 77
        assert dev.stop(signal.SIGTERM) == 0


def test_mails_are_written_down_and_shown(tmp_path: Path) -> None:
    with developing(tmp_path / "data") as dev, httpx.Client(base_url=dev.details["base_url"]) as client:
        assert f"{dev.details['base_url']}/dev/mails" in dev.said
        assert "No mail yet." in client.get("/dev/mails").text
        for path in ("register", "password/reset"):
            success(client.post(f"/api/auth/{path}", json={"email": "grace@wutang.example"}))
        sent = command("users", "send-reset", dev.details["email"], "--data-dir", dev.data_dir)
        assert sent.said == "mails the link to a new password to user 1, demo@wutang.example"
        while len(list((dev.data_dir / "mails").glob("*.eml"))) < 2:
            time.sleep(0.02)
        page = client.get("/dev/mails")
        assert page.text.count("<article>") == 2
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
        assert "script" not in page.headers["content-security-policy"]
        [token] = set(re.findall(rf"{dev.details['base_url']}/account#register=([\w-]+)", page.text))
        new = {"token": token, "name": "Grace", "password": "seven small violet umbrellas"}
        assert success(client.put("/api/auth/register", json=new), 201)["email"] == "grace@wutang.example"
        assert {mail.stat().st_mode & 0o777 for mail in (dev.data_dir / "mails").iterdir()} == {0o600}
