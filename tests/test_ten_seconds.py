"""Whoever looks for a verb of the API finds it in ten seconds: it is spelt the same in every layer, once in each."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATHS = json.loads((ROOT / "openapi.json").read_text())["paths"]
VERBS: dict[str, str] = {operation["operationId"]: path for path, item in PATHS.items() for operation in item.values()}
WITHOUT_A_SERVICE_STEP = {
    "response_code": "a catalogue in the code",
    "jwks": "the public half of the key ring, as it is",
    "server_metadata": "the issuer's URL with the routes behind it",
    "healthz": "that it answers is the answer",
    "readyz": "what the process and its database say of themselves; no rule decides",
    "me": "its step is the guard of every route with a token: `authenticate`",
}


def definitions(folder: str, verb: str) -> list[str]:
    """The files under a folder where a function or method of this name stands, once for each time."""
    definition = re.compile(rf"^ *(?:async )?def {verb}\b", re.MULTILINE)
    return [file.name for file in sorted((ROOT / folder).rglob("*.py")) for _ in definition.findall(file.read_text())]


@pytest.mark.parametrize("verb", VERBS)
def test_verb_is_one_route(verb: str) -> None:
    assert len(definitions("src/wutang_auth/api/routes", verb)) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_verb_is_one_service_method(verb: str) -> None:
    assert len(definitions("src/wutang_auth/service", verb)) == (verb not in WITHOUT_A_SERVICE_STEP)


def test_me_is_the_guard() -> None:
    assert len(definitions("src/wutang_auth/service", "authenticate")) == 1


def test_no_exemption_outlives_its_verb() -> None:
    assert set(WITHOUT_A_SERVICE_STEP) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_one_file_of_tests_over_http(verb: str) -> None:
    [file] = (ROOT / "tests/api").rglob(f"test_{verb}.py")
    source = file.read_text()
    assert VERBS[verb].partition("{")[0].rstrip("/") in source
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.AsyncFunctionDef)]
    assert any(function.name.startswith("test_") for function in functions)
