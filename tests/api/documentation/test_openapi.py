"""The OpenAPI document: complete, free of noise, and the one that is checked in."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from support.mail import Mailbox
from support.services import Instance, Start
from support.users import add_and_log_in
from wutang_auth.api.schemas.request_body import RequestBody
from wutang_auth.main import create_app, openapi_document
from wutang_auth.settings import Settings

CHECKED_IN = Path(__file__).parents[3] / "openapi.json"
DOCUMENT = openapi_document()
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
READERS = ("list_users", "get_user")
WITHOUT_ENVELOPE = ("verify", "introspect")
BY_MAIL = {
    "reauthenticate", "ask_to_register", "register", "ask_for_reset", "reset_password", "look_up_link",
    "ask_for_email_change", "confirm_email", "undo_email_change", "ask_for_verification", "verify_email", "send_reset",
}  # fmt: skip
OF_FACTORS = {
    "login_second", "list_factors", "add_totp", "confirm_totp", "remove_totp", "renew_recovery_codes", "reset_factors",
}  # fmt: skip
WITHOUT_BODY = {
    "ask_for_verification", "send_reset", "list_factors", "add_totp", "remove_totp", "renew_recovery_codes",
    "reset_factors",
}  # fmt: skip

each_operation = pytest.mark.parametrize("operation_id", OPERATIONS)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for item in node.values():
            yield from references(item)


def answers(operation: dict[str, Any]) -> set[tuple[int, int]]:
    """Status and code of every example answer."""
    found = set()
    for status, response in operation["responses"].items():
        for content in resolved(response).get("content", {}).values():
            examples = [example["value"] for example in content.get("examples", {}).values()]
            found |= {
                (int(status), value["code"])
                for value in examples or [content["example"]]
                if isinstance(value, dict) and "code" in value
            }
    return found


def test_checked_in_document_is_the_services() -> None:
    assert json.loads(CHECKED_IN.read_text("utf-8")) == DOCUMENT, (
        "The API has changed. Look at the change, and if it is meant: .venv/bin/wutang-auth openapi > openapi.json"
    )


async def test_service_serves_the_document(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings(mfa="optional"))
    response = await service.client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT


async def test_service_without_mail_documents_what_it_has(service: Instance) -> None:
    document = (await service.client.get("/openapi.json")).json()
    served = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert served == OPERATIONS.keys() - BY_MAIL - OF_FACTORS


async def test_service_with_second_factors_alone_has_freshness_too(start: Start) -> None:
    document = (await (await start(mfa="optional")).client.get("/openapi.json")).json()
    served = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert served == (OPERATIONS.keys() - BY_MAIL) | {"reauthenticate"}


async def test_service_that_needs_second_factors_documents_the_refusal(start: Start) -> None:
    document = (await (await start(mfa="all")).client.get("/openapi.json")).json()
    assert "SecondFactorMissing" in document["components"]["responses"]
    for path, method in (("/api/auth/me", "get"), ("/api/auth/verify", "get"), ("/api/users", "get")):
        assert "403" in document["paths"][path][method]["responses"]
    assert "403" not in document["paths"]["/api/auth/factors"]["get"]["responses"]


def test_documented_routes_are_the_contracts() -> None:
    assert {f"{method.upper()} {path}": name for name, (path, method, _) in OPERATIONS.items()} == {
        "GET /api/response_code": "response_code",
        "POST /api/auth/login": "login",
        "PUT /api/auth/refresh": "refresh",
        "DELETE /api/auth/logout": "logout",
        "GET /api/auth/me": "me",
        "GET /api/auth/sessions": "list_sessions",
        "DELETE /api/auth/sessions/{id}": "end_session",
        "PATCH /api/auth/me": "update_me",
        "PUT /api/auth/password": "change_password",
        "GET /api/auth/verify": "verify",
        "POST /api/auth/introspect": "introspect",
        "GET /.well-known/revocations": "revocation_list",
        "GET /.well-known/oauth-authorization-server": "server_metadata",
        "POST /api/auth/login/second": "login_second",
        "GET /api/auth/factors": "list_factors",
        "POST /api/auth/factors/totp": "add_totp",
        "PUT /api/auth/factors/totp": "confirm_totp",
        "DELETE /api/auth/factors/totp": "remove_totp",
        "POST /api/auth/factors/recovery-codes": "renew_recovery_codes",
        "DELETE /api/users/{id}/factors": "reset_factors",
        "POST /api/auth/reauthenticate": "reauthenticate",
        "POST /api/auth/register": "ask_to_register",
        "PUT /api/auth/register": "register",
        "POST /api/auth/password/reset": "ask_for_reset",
        "PUT /api/auth/password/reset": "reset_password",
        "POST /api/auth/links": "look_up_link",
        "PUT /api/auth/email": "ask_for_email_change",
        "PUT /api/auth/email/confirmation": "confirm_email",
        "PUT /api/auth/email/undo": "undo_email_change",
        "POST /api/auth/email/verification": "ask_for_verification",
        "PUT /api/auth/email/verification": "verify_email",
        "GET /api/users": "list_users",
        "POST /api/users": "create_user",
        "GET /api/users/{id}": "get_user",
        "PATCH /api/users/{id}": "update_user",
        "DELETE /api/users/{id}": "delete_user",
        "POST /api/users/{id}/reset": "send_reset",
        "GET /.well-known/jwks.json": "jwks",
        "GET /healthz": "healthz",
        "GET /readyz": "readyz",
    }


@each_operation
def test_operation_is_described(operation_id: str) -> None:
    path, method, operation = OPERATIONS[operation_id]
    assert re.fullmatch(r"[A-Z].*[^.]", operation["summary"])
    assert operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert "deprecated" not in operation
    assert "security" in operation
    assert [sample["label"] for sample in operation["x-codeSamples"]] == ["bash", "JavaScript", "Python", "PHP"]
    for status, response in operation["responses"].items():
        assert resolved(response)["description"], status
        assert "X-Request-ID" in resolved(response)["headers"], status
    for status, code in answers(operation):
        assert not path.startswith("/api/") or f"| {status} | {code} " in operation["description"]
    has_body = method in ("post", "patch") or operation_id in {"change_password", "confirm_totp"} | BY_MAIL
    assert ("requestBody" in operation) == (has_body and operation_id not in WITHOUT_BODY)


@each_operation
def test_operation_declares_what_follows_from_its_kind(operation_id: str) -> None:
    path, _, operation = OPERATIONS[operation_id]
    declared = answers(operation)
    if not path.startswith("/api/"):
        return
    assert (500, 50001) in declared
    created = (201 if operation_id in ("create_user", "register") else 200, 20001)
    assert (created in declared) == (operation_id not in WITHOUT_ENVELOPE)
    if operation["security"]:
        assert {(401, 40001), (401, 40005), (503, 50001)} <= declared
        assert "WWW-Authenticate" in resolved(operation["responses"]["401"])["headers"]
    if "requestBody" in operation:
        assert {(413, 10001), (415, 10001), (422, 10001)} <= declared
        assert "example" in operation["requestBody"]["content"]["application/json"]
    if path.startswith("/api/users"):
        assert (403, 40003) in declared
        assert operation["security"] == [{"accessToken": ["users:read" if operation_id in READERS else "users:write"]}]
    may_be_off = operation_id in BY_MAIL | OF_FACTORS | {"create_user"}
    assert ((404, 40004) in declared) == ("{id}" in path or may_be_off)
    for status in {"429", "503"} & set(operation["responses"]):
        assert "Retry-After" in resolved(operation["responses"][status])["headers"]


@pytest.mark.parametrize(
    ("operation_id", "refusals"),
    [
        ("login", {(401, 10003), (403, 40003), (429, 40001)}),
        ("login_second", {(401, 10003), (429, 40001)}),
        ("add_totp", {(403, 40003), (409, 10003)}),
        ("confirm_totp", {(409, 10003)}),
        ("remove_totp", {(403, 40003)}),
        ("renew_recovery_codes", {(403, 40003)}),
        ("reset_factors", {(403, 40003), (409, 10003)}),
        ("change_password", {(409, 10003), (429, 40001)}),
        ("create_user", {(409, 10003)}),
        ("ask_to_register", {(429, 40001)}),
        ("register", {(409, 10003)}),
        ("reset_password", {(409, 10003)}),
        ("ask_for_email_change", {(403, 40003), (429, 40001)}),
        ("reauthenticate", {(409, 10003), (429, 40001)}),
        ("update_user", {(409, 10003)}),
        ("delete_user", {(409, 10003)}),
    ],
)
def test_operation_declares_its_own_refusals(operation_id: str, refusals: set[tuple[int, int]]) -> None:
    assert refusals <= answers(OPERATIONS[operation_id][2])


def test_reference_speaks_chinese_where_the_original_does() -> None:
    for operation_id, original in {
        "response_code": "本方法仅作返回code通用说明(无其他作用)",
        "login": "通过登录信息获取JWT凭证",
        "logout": "注销用户",
        "refresh": "刷新token",
        "me": "获取通过身份验证的用户",
    }.items():
        assert OPERATIONS[operation_id][2]["description"].startswith(original)


def test_schemas_have_names_for_people() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert re.fullmatch(r"([A-Z][a-z]+)+", name)
        assert '"title"' not in json.dumps(schema)
        if name.endswith("Envelope"):
            assert {"code", "message", "data"} <= set(schema["required"])
            assert resolved(schema["properties"]["code"])["enum"][2] == 20001


def refused_fields(body: type[RequestBody], document: dict[str, Any]) -> set[str | int]:
    try:
        body.model_validate(document)
    except ValidationError as refused:
        return {error["loc"][0] for error in refused.errors()}
    return set()


@pytest.mark.parametrize("body", RequestBody.__subclasses__())
def test_characters_that_a_schema_allows_are_not_refused(body: type[RequestBody]) -> None:
    for name, schema in body.model_json_schema()["properties"].items():
        text = "\0\x1b\u2028".ljust(schema.get("minLength", 0), "x")
        if (
            schema.get("type") == "string"
            and schema.get("format") != "email"
            and re.search(schema.get("pattern", ""), text)
        ):
            assert name not in refused_fields(body, {name: text})


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    for reference in used:
        resolved({"$ref": reference})
    for kind in ("schemas", "responses", "headers"):
        assert {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} <= used


def test_what_was_created_links_to_what_can_be_done_with_it() -> None:
    links = OPERATIONS["create_user"][2]["responses"]["201"]["links"]
    assert set(links) == {"get_user", "update_user", "delete_user"}
    assert links["get_user"]["parameters"] == {"id": "$response.body#/data/id"}


def test_servers_follow_the_gateways_prefix(settings: Settings) -> None:
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert create_app(settings.model_copy(update={"root_path": "/auth"})).openapi()["servers"] == [{"url": "/auth"}]


async def test_examples_of_refusals_are_what_the_service_answers(service: Instance) -> None:
    login = await add_and_log_in(service)
    without_token = await service.client.get("/api/auth/me")
    without_scope = await service.client.get("/api/users", headers=login.headers)
    without_email = await service.client.post("/api/auth/login", json={"password": "x"})
    for response, component, example in (
        (without_token, "Unauthenticated", "TokenInvalid"),
        (without_scope, "InsufficientScope", "InsufficientScope"),
        (without_email, "InvalidParameters", "InvalidParameters"),
    ):
        declared = DOCUMENT["components"]["responses"][component]["content"]["application/json"]
        assert response.json() == declared["examples"][example]["value"]
