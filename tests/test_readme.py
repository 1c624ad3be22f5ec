import re
from pathlib import Path
from typing import get_args

import typer.main

from wutang_auth.audit import Event
from wutang_auth.cli import app
from wutang_auth.response_codes import ResponseCode
from wutang_auth.settings import PREFIX, Settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "*required*" if field.is_required() else _shown(field.default)
        if field.default_factory is not None:
            default = "the cores"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    found = re.findall(rf"^\| `{PREFIX}.*$", README, re.MULTILINE)
    assert found == rows, "the README's table of settings must read:\n" + "\n".join(rows)


def test_the_readme_lists_every_response_code() -> None:
    found = re.findall(r"^\| (\d{5}) \| (\S+) \| ([^|]+?) \|", README, re.MULTILINE)
    assert found == [(str(code.number), code.chinese, code.english) for code in ResponseCode]


def test_the_readme_names_every_command() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for subcommand in getattr(command, "commands", {"": None}):
            assert f"wutang-auth {name} {subcommand}".strip() in README


def test_the_readme_names_every_audit_event() -> None:
    for event in get_args(Event):
        assert f"`{event}`" in README


def _shown(default: object) -> str:
    if default in ((), ""):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"
