"""The command line as a whole: help, and errors."""

import pytest

from support.commands import run, run_apart

COMMANDS = ["dev", "serve", "migrate", "openapi", "keys", "users", "sessions"]


async def test_help_names_every_command() -> None:
    helped = (await run({}, "--help")).said
    for command in COMMANDS:
        assert f"  {command} " in helped


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--nonsense"], ["keys", "nonsense"], ["migrate", "x"]], ids=" ".join
)
async def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    wrong = await run({}, *arguments)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "Usage: " in wrong.stderr
    assert "Traceback" not in wrong.stderr


async def test_answers_on_a_terminal_are_plain_text() -> None:
    wrong = await run_apart({}, "nonsense", answers={})
    assert wrong.code == 2
    assert "nonsense" in wrong.stdout
    assert "\x1b" not in wrong.stdout
