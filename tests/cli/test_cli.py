"""The command line as a whole: help, errors, and documents for programs."""

import os
import pty
import subprocess

import pytest

from support.commands import PROGRAM, run_apart

COMMANDS = ["dev", "serve", "migrate", "openapi", "keys", "users", "sessions"]


async def test_help_names_every_command() -> None:
    helped = (await run_apart({}, "--help")).said
    for command in COMMANDS:
        assert f"  {command} " in helped


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--nonsense"], ["keys", "nonsense"], ["migrate", "x"]], ids=" ".join
)
async def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    wrong = await run_apart({}, *arguments)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "Usage: " in wrong.stderr
    assert "Traceback" not in wrong.stderr


async def test_openapi_is_a_document_that_needs_nothing() -> None:
    document = (await run_apart({}, "openapi")).document
    assert document["openapi"].startswith("3.1")
    assert "/api/auth/login" in document["paths"]


def test_reader_that_hangs_up_is_no_error() -> None:
    """As `wutang-auth openapi | head -1`."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*PROGRAM, "openapi"],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert process.stderr == ""


def test_answers_on_a_terminal_are_plain_text() -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "nonsense"],
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
async def test_output_is_utf8_whatever_the_locale(language: str) -> None:
    printed = (await run_apart({"LANG": language, "LC_ALL": language}, "openapi")).said
    assert "操作成功" in printed or "用户" in printed
