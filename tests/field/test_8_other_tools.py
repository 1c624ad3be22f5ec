"""Kind 8: contracts with other people's tools. `make clients` runs the tools themselves; this holds what they stand on.

Of openapi-generator python and typescript-axios are run there; both failed over `"data": {"type": "null"}`.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from support.http import success
from support.services import Instance
from support.users import CREDENTIALS, add_user
from wutang_auth.main import openapi_document

ROOT = Path(__file__).parents[2]
DOCUMENT = openapi_document()
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name.endswith("Envelope")])
def test_8_data_that_is_never_there_is_a_constant(name: str) -> None:
    data = SCHEMAS[name]["properties"]["data"]
    assert data == {"const": None} or set(data) <= {"$ref", "items", "type"}
    assert data.get("type") != "null"


def test_8_no_schema_is_null_and_nothing_else() -> None:
    def assert_no_null(node: Any, *, may_be_null: bool = False) -> None:
        if isinstance(node, dict):
            assert may_be_null or node.get("type") != "null", node
            for name, child in node.items():
                assert_no_null(child, may_be_null=name in ("anyOf", "oneOf"))
        elif isinstance(node, list):
            for child in node:
                assert_no_null(child, may_be_null=may_be_null)

    assert_no_null(DOCUMENT)


async def test_8_form_of_the_login_is_declared_and_taken(service: Instance) -> None:
    content = DOCUMENT["paths"]["/api/auth/login"]["post"]["requestBody"]["content"]
    assert list(content) == ["application/json", "application/x-www-form-urlencoded"]
    assert content["application/json"] == content["application/x-www-form-urlencoded"]
    await add_user(service.settings)
    success(await service.client.post("/api/auth/login", data=CREDENTIALS))
    takes_forms = {
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
        if "application/x-www-form-urlencoded" in operation.get("requestBody", {}).get("content", {})
    }
    assert takes_forms == {"login", "introspect"}


def test_8_what_is_refused_for_its_media_type_declares_what_is_taken() -> None:
    assert "Accept" in DOCUMENT["components"]["responses"]["UnsupportedMediaType"]["headers"]


def test_8_generators_that_failed_are_run_by_make_clients() -> None:
    script = (ROOT / "clients" / "run.sh").read_text("utf-8")
    for generator in ("generate python ", "generate typescript-axios ", "openapi-python-client generate"):
        assert generator in script
    assert "post_hooks" in (ROOT / "clients" / "python" / "openapi-python-client.yaml").read_text("utf-8")


def test_8_guide_has_the_line_that_springs_decoder_needs() -> None:
    page = (ROOT / "docs" / "verify-elsewhere.md").read_text("utf-8")
    [line] = [line for line in page.splitlines() if "setJWSType" in line]
    assert re.search(
        r'setJWSTypeVerifier\(new DefaultJOSEObjectTypeVerifier<>\(new JOSEObjectType\("at\+jwt"\)\)\)', line
    )
