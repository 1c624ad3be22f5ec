"""The checklists of CONTRIBUTING.md: each test here names the step that was forgotten."""

import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import asyncpg
from fastapi.routing import APIRoute

from support import commands
from support.http import success
from support.services import Instance
from support.users import NEW_PASSWORD, administrator, create, update
from wutang_auth import errors
from wutang_auth.api import routes
from wutang_auth.api.schemas.users import CreateUserBody, UpdateUserBody, UserBody, user_body
from wutang_auth.cli import exported_users
from wutang_auth.main import openapi_document
from wutang_auth.models import User
from wutang_auth.repository import IncomingUser, UserChange, UserRecord
from wutang_auth.repository.user_import import Import
from wutang_auth.service import NewUser
from wutang_auth.service.user_import import COLUMNS, incoming_user
from wutang_auth.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "wutang_auth"
CHECKLISTS = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Checklists\n")[2]


def test_every_file_and_test_that_a_checklist_names_is_there() -> None:
    named = re.findall(r"`([a-z_/]+/|[a-z_/]+\.(?:py|md|json)|CHANGELOG\.md)(?:::(\w+))?`", CHECKLISTS)
    assert len(named) > 30
    missing = [
        (place, test)
        for place, test in named
        if not ((ROOT / place).exists() or (PACKAGE / place).exists())
        or (test and f"def {test}(" not in (ROOT / place).read_text("utf-8"))
    ]
    assert missing == []


# -- Add a setting ----------------------------------------------------------------------------------------------------


def test_every_setting_is_used() -> None:
    texts = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.parent.name != "settings"]
    unused = [name for name in Settings.model_fields if not any(re.search(rf"\.{name}\b", text) for text in texts)]
    assert unused == []


def test_every_number_that_can_be_set_has_bounds() -> None:
    unbounded = [
        name
        for name, field in Settings.model_fields.items()
        if field.annotation in (int, float) and not {"G", "L"} <= {type(bound).__name__[0] for bound in field.metadata}
    ]  # of Ge, Gt, Le and Lt
    assert unbounded == []


# -- Add a route ------------------------------------------------------------------------------------------------------


def _routes() -> dict[str, list[APIRoute]]:
    modules = [import_module(f"{routes.__name__}.{module.name}") for module in iter_modules(routes.__path__)]
    return {
        module.__name__: [route for route in module.router.routes if isinstance(route, APIRoute)]
        for module in modules
        if hasattr(module, "router")
    }


def test_every_router_is_included() -> None:
    included = {
        operation["operationId"] for item in openapi_document()["paths"].values() for operation in item.values()
    }
    forgotten = {
        module
        for module, found in _routes().items()
        for route in found
        if route.include_in_schema and route.operation_id not in included
    }
    assert forgotten == set()


# -- Add a column to `users` ------------------------------------------------------------------------------------------

COLUMNS_OF_USERS = {column.name for column in User.__table__.columns}  # type: ignore[attr-defined]  # SQLModel adds it
HIDDEN = {
    "canonical_email",  # made from the e-mail
    "password_hash",  # a secret
}
NOT_IN_FILES = {
    "canonical_email",  # made from the e-mail
}
SHOWN_AS = {"disabled_at": "disabled"}
HASH = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"


def _shown(columns: Iterable[str]) -> set[str]:
    return {SHOWN_AS.get(column, column) for column in columns}


def _names(record: Any) -> set[str]:
    return {field.name for field in fields(record)}


def _documented() -> dict[str, bool]:
    """The fields of a user that docs/users.md has, and whether clients set them."""
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| (yes|no) \|", (ROOT / "docs" / "users.md").read_text("utf-8"), re.MULTILINE
    )
    return {name: is_set == "yes" for name, is_set in rows}


def _read_by_import() -> set[str]:
    class Row(dict[str, object]):
        """A row of a file, which notes what is looked at."""

        def get(self, name: str, default: object = None) -> object:
            seen.add(name)
            return super().get(name, default)

    seen: set[str] = set()
    assert incoming_user(1, b"", Row(email="ada@shop.example", password_hash=HASH)).reason is None
    return seen


def test_each_column_of_users_is_in_each_of_its_homes() -> None:
    visible = COLUMNS_OF_USERS - HIDDEN
    in_files = _shown(COLUMNS_OF_USERS - NOT_IN_FILES)
    set_by_clients = {name for name, is_set in _documented().items() if is_set}
    document = json.loads((ROOT / "openapi.json").read_text("utf-8"))
    record = UserRecord(**dict.fromkeys(_names(UserRecord), datetime.now(UTC)))  # type: ignore[arg-type]  # any value will do
    exported = set(re.findall(r"\w+", inspect.getsource(exported_users.exported_row)))
    written = set(re.findall(r"\w+", Import.INSERT.sql.partition("INSERT")[2].partition("SELECT")[0]))
    homes: dict[str, tuple[set[str], set[str]]] = {
        "repository/users/records.py, UserRecord": (visible, _names(UserRecord)),
        "api/schemas/users.py, UserBody": (_shown(visible), set(UserBody.__annotations__)),
        "api/schemas/users.py, user_body()": (_shown(visible), set(user_body(record))),
        "openapi.json, UserBody": (_shown(visible), set(document["components"]["schemas"]["UserBody"]["properties"])),
        "docs/users.md": (_shown(visible), set(_documented())),
        "api/schemas/users.py, CreateUserBody": (set_by_clients, set(CreateUserBody.model_fields)),
        "api/schemas/users.py, UpdateUserBody": (set_by_clients, set(UpdateUserBody.model_fields)),
        "service/users.py, NewUser": (set_by_clients, _names(NewUser)),
        "repository/users/records.py, UserChange": (set_by_clients, _names(UserChange)),
        "service/user_import.py, COLUMNS": (in_files, set(COLUMNS)),
        "service/user_import.py, incoming_user()": (in_files, _read_by_import()),
        "repository/user_import.py, IncomingUser": (_shown(COLUMNS_OF_USERS), _names(IncomingUser)),
        "repository/user_import.py, CREATE": (
            _shown(COLUMNS_OF_USERS), set(re.findall(r"\w+", Import.CREATE.sql.partition("(")[2])),
        ),
        "repository/user_import.py, INSERT": (COLUMNS_OF_USERS, written),
        "cli/exported_users.py, exported_row()": (COLUMNS_OF_USERS - NOT_IN_FILES, exported),
    }  # fmt: skip
    forgotten = [f"{name} in {home}" for home, (wanted, found) in homes.items() for name in sorted(wanted - found)]
    assert forgotten == [], "\n".join(["forgotten:", *forgotten])


async def test_what_clients_set_of_a_user_is_stored(service: Instance) -> None:
    caller = await administrator(service)
    values: dict[str, Any] = {
        name: not field.default if field.annotation is bool else (field.examples or [])[0]
        for name, field in CreateUserBody.model_fields.items()
        if name not in ("email", "password", "invite")
    }
    user = await create(service, caller, email="plain@wutang.example")
    for stored in (
        await create(service, caller, **values),
        success(
            await update(service, caller, user["id"], email="other@wutang.example", password=NEW_PASSWORD, **values)
        ),
    ):
        assert {name: _comparable(stored[name]) for name in values} == {
            name: _comparable(value) for name, value in values.items()
        }
    for name, value in values.items():
        change: dict[str, Any] = {name: value}
        assert UserChange(**change).changed == [name]


async def test_an_import_brings_back_what_an_export_wrote(
    database_url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "users.csv"
    connection = await asyncpg.connect(database_url)
    kinds = await connection.fetch(
        "SELECT column_name, udt_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = 'users'"
    )
    samples = {
        "int8": 7,
        "text": "Ada",
        "timestamptz": datetime(2020, 1, 2, tzinfo=UTC),
        "_text": ["a:b"],
        "bool": True,
    }
    values = {kind["column_name"]: samples[kind["udt_name"]] for kind in kinds}
    values |= {"email": "ada@shop.example", "canonical_email": "ada@shop.example", "password_hash": HASH}
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await connection.execute(f"INSERT INTO users ({', '.join(values)}) VALUES ({places})", *values.values())
    assert (await commands.run(environment, "users", "export", file)).code == 0
    await connection.execute("DELETE FROM users")
    outcome = await commands.run(environment, "users", "import", file)
    assert outcome.said == "created 1 of 1 users; 0 were there, 0 rejected"
    found = dict(await connection.fetchrow("SELECT * FROM users"))
    await connection.close()
    assert found.pop("disabled_at") is not None  # it is the time of the import
    assert found == {name: value for name, value in values.items() if name != "disabled_at"}


def _comparable(value: object) -> object:
    """Times as times, since the same one has several spellings."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return value


# -- Add an error -----------------------------------------------------------------------------------------------------


def test_the_tree_of_errors_is_the_classes() -> None:
    """Each class with its depth, and with its code and status where they are not its parent's."""

    def branch(error: type[errors.AuthError], depth: int) -> list[tuple[int, str]]:
        below = [line for child in error.__subclasses__() for line in branch(child, depth + 1)]
        return [(depth, error.__name__), *below]

    lines = re.findall(r"^([│├└─ ]*)([A-Z]\w+)(?: +(\d{5}))?(?: +(\d{3}))?", errors.__doc__ or "", re.MULTILINE)
    tree = [(len(stem) // 4, name) for stem, name, *_ in lines]
    start = tree.index((0, "AuthError"))
    assert [line for line in tree[start:] if hasattr(errors, line[1])] == branch(errors.AuthError, 0)
    for _, name, code, status in lines:
        error = getattr(errors, name, None)
        if error is not None:
            assert code in ("", str(error.code.number)), name
            assert status in ("", str(error.status)), name
