"""The pages under docs/ say what the code says: nothing is missing, nothing is there that is no more."""

import re
from pathlib import Path
from typing import get_args

import typer.main
from fastapi.routing import APIRoute

from wutang_auth.api.routes import docs
from wutang_auth.audit import Event
from wutang_auth.cli import app
from wutang_auth.errors import AuthError
from wutang_auth.main import openapi_document
from wutang_auth.response_codes import ResponseCode
from wutang_auth.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_every_setting_has_a_row_and_nothing_else_has() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "*required*" if field.is_required() else _shown(field.default)
        if field.default_factory is not None:
            default = "the cores"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    settings, _, _old_names = page("settings.md").partition("\n## Old names\n")
    found = re.findall(rf"^\| `{PREFIX}.*$", settings, re.MULTILINE)
    assert found == rows, "the table in docs/settings.md must read:\n" + "\n".join(rows)


def test_every_command_has_a_row_with_its_options_and_nothing_else_has() -> None:
    found = {
        (command, frozenset(re.findall(r"`(--[a-z-]+)`", options)))
        for command, options in re.findall(r"^\| `(wutang-auth [^`]+)` \| ([^|]*)\|", page("commands.md"), re.MULTILINE)
    }
    assert found == set(_commands(typer.main.get_command(app), "wutang-auth"))


def test_every_response_code_has_a_row_with_its_statuses() -> None:
    rows = re.findall(r"^\| (\d{5}) \| (\S+) \| ([^|]+?) \| [^|]+ \| ([\d; ]+) \|$", page("response-codes.md"), re.M)
    assert [row[:3] for row in rows] == [(str(code.number), code.chinese, code.english) for code in ResponseCode]
    documented = {int(number): {int(status) for status in statuses.split(";")} for number, *_, statuses in rows}
    assert documented.pop(ResponseCode.OK.number) == {200, 201}
    answered: dict[int, set[int]] = {}
    pending: list[type[AuthError]] = [AuthError]
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        answered.setdefault(error.code.number, set()).add(error.status)
    assert documented == answered


def test_every_audit_event_has_a_row_and_nothing_else_has() -> None:
    found = re.findall(r"^\| `(\w+)` \|", page("logging.md"), re.MULTILINE)
    assert sorted(found) == sorted(get_args(Event))


def test_every_route_has_a_row_and_nothing_else_has() -> None:
    found = re.findall(r"^\| `([A-Z]+) ([^`]+)` \|", page("routes.md"), re.MULTILINE)
    assert len(found) == len(set(found))
    paths = openapi_document()["paths"]
    routes = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    undocumented = {("GET", route.path) for route in docs.router.routes if isinstance(route, APIRoute)}
    assert set(found) == routes | undocumented


def test_every_room_of_the_house_has_a_row_and_nothing_else_has() -> None:
    found = re.findall(r"^\| `([a-z_]+(?:\.py|/))` \|", page("architecture.md"), re.MULTILINE)
    package = ROOT / "src" / "wutang_auth"
    rooms = {
        path.name if path.is_file() else f"{path.name}/" for path in package.iterdir() if path.suffix in ("", ".py")
    }
    assert set(found) == rooms - {"__init__.py", "__pycache__/"}


def test_every_link_leads_somewhere() -> None:
    dead = []
    for path in PAGES:
        text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("https://", "#")) and not (path.parent / target.partition("#")[0]).exists():
                dead.append(f"{path.name}: {target}")
    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    unlinked = [path.name for path in PAGES if f"]({path.relative_to(ROOT)})" not in readme]
    assert unlinked == ["README.md"]


def _commands(command: typer.main.TyperGroup, name: str) -> set[tuple[str, frozenset[str]]]:
    found = set()
    for word, subcommand in command.commands.items():
        full = f"{name} {word}"
        if isinstance(subcommand, typer.main.TyperGroup):
            found |= _commands(subcommand, full)
            continue
        arguments = [
            str(parameter.metavar) for parameter in subcommand.params if parameter.param_type_name == "argument"
        ]
        options = [
            max(parameter.opts, key=len) for parameter in subcommand.params if parameter.param_type_name == "option"
        ]
        found.add((" ".join([full, *arguments]), frozenset(options)))
    return found


def _shown(default: object) -> str:
    if default in ((), ""):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"
