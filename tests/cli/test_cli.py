"""The command line as a whole: help, errors, and documents for programs."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from support.services import run_cli

COMMANDS = ["dev", "serve", "migrate", "openapi", "keys", "users", "sessions"]


def test_help_names_every_command() -> None:
    helped = run_cli("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    for command in COMMANDS:
        assert f"  {command} " in helped.stdout


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--nonsense"], ["keys", "nonsense"], ["migrate", "x"]], ids=" ".join
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    wrong = run_cli(*arguments)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Usage: " in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_openapi_is_a_document_that_needs_nothing(tmp_path: Path) -> None:
    printed = run_cli("openapi")
    assert (printed.returncode, printed.stderr) == (0, "")
    document = json.loads(printed.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/auth/login" in document["paths"]
    assert list(tmp_path.iterdir()) == []


def test_reader_that_hangs_up_is_no_error() -> None:
    """As `wutang-auth openapi | head -1`."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-c", "from wutang_auth.cli import main; main()", "openapi"],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert process.stderr == ""


def test_answers_on_a_terminal_are_plain_text() -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from wutang_auth.cli import main; main()", "nonsense"],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(child)
    said = b""
    while chunk := read(parent):
        said += chunk
    assert process.wait() == 2
    assert b"nonsense" in said
    os.close(parent)


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # on Linux the end of a terminal is an error
        return b""


@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8", ""])
def test_output_is_utf8_whatever_the_locale(language: str) -> None:
    printed = run_cli("openapi", LANG=language, LC_ALL=language)
    assert printed.returncode == 0, printed.stderr
    assert "操作成功" in printed.stdout or "用户" in printed.stdout
