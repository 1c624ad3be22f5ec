"""The pages under docs/ say what the code says: nothing is missing, nothing is there that is no more."""

import re
from pathlib import Path
from typing import Any, get_args

import typer.main
from fastapi.routing import APIRoute

from wutang_auth.api.routes import account, docs
from wutang_auth.audit import Event
from wutang_auth.cli import app
from wutang_auth.errors import AuthError
from wutang_auth.main import openapi_document
from wutang_auth.response_codes import ResponseCode
from wutang_auth.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


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
    assert found == _commands(typer.main.get_command(app), "wutang-auth")


def test_every_response_code_has_a_row_with_its_statuses() -> None:
    row_of_a_code = r"^\| (\d{5}) \| (\S+) \| ([^|]+?) \| [^|]+ \| ([\d; ]+) \|$"
    rows = re.findall(row_of_a_code, page("response-codes.md"), re.MULTILINE)
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
    undocumented = {
        ("GET", route.path)
        for page_routes in (docs, account)
        for route in page_routes.router.routes
        if isinstance(route, APIRoute)
    }
    assert set(found) == routes | undocumented


def test_every_room_of_the_house_has_a_row_and_nothing_else_has() -> None:
    found = re.findall(r"^\| `([a-z_]+(?:\.py|/))` \|", page("architecture.md"), re.MULTILINE)
    package = ROOT / "src" / "wutang_auth"
    rooms = {
        path.name if path.is_file() else f"{path.name}/" for path in package.iterdir() if path.suffix in ("", ".py")
    }
    assert set(found) == rooms - {"__init__.py", "__pycache__/"}


def test_every_link_leads_somewhere() -> None:
    links = [
        (path, target)
        for path in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", path.read_text("utf-8")))
        if not target.startswith(("https://", "#"))
    ]
    dead = [f"{path.name}: {target}" for path, target in links if not (path.parent / target.partition("#")[0]).exists()]
    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    unlinked = [path.name for path in PAGES if f"]({path.relative_to(ROOT)})" not in readme]
    assert unlinked == ["README.md"]


def _commands(command: Any, name: str) -> set[tuple[str, frozenset[str]]]:
    """Each command below this one as it is typed, with its options."""
    if hasattr(command, "commands"):
        return {found for word, below in command.commands.items() for found in _commands(below, f"{name} {word}")}
    arguments = [parameter.metavar for parameter in command.params if parameter.param_type_name == "argument"]
    options = [max(parameter.opts, key=len) for parameter in command.params if parameter.param_type_name == "option"]
    return {(" ".join([name, *arguments]), frozenset(options))}


def _shown(default: object) -> str:
    if default in ((), "", None):
        return "–"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"
