"""The Postman collection: every operation of the OpenAPI document as a request, in an order that runs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final

from wutang_auth.api.documentation.code_samples import ExampleRequest, example_request

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_PAIR: Final = {"accessToken": "answer.data.access_token", "refreshToken": "answer.data.refresh_token"}


@dataclass(frozen=True, slots=True)
class _Step:
    """One request of the run: an operation, and where it differs from the operation's own example."""

    operation_id: str
    name: str = ""
    bearer: str = "accessToken"
    """The variable that holds its token."""
    body: Mapping[str, Any] | None = None
    keeps: Mapping[str, str] = field(default_factory=dict)
    """Variables, and what of the answer goes into them."""
    before: str = ""
    """JavaScript."""
    expected: tuple[int, int] | None = None
    """HTTP status and code, where it is no success."""


# Folder by folder, from top to bottom: what is created is also removed, and the log-out comes last.
_RUN: Final[dict[str, tuple[_Step, ...]]] = {
    "General": (
        _Step("response_code"),
        _Step("jwks"),
        _Step("revocation_list"),
        _Step("server_metadata", "The metadata, which an issuer that is no https URL has not", expected=(404, 40004)),
        _Step("healthz"),
        _Step("readyz"),
    ),
    "Log in": (
        _Step("login", body={"email": "{{email}}", "password": "{{password}}"}, keeps=_PAIR),
        _Step("me"),
        _Step("refresh", bearer="refreshToken", keeps=_PAIR),
        _Step("verify"),
        _Step("introspect", body={"token": "{{accessToken}}"}),
    ),
    "Users": (
        _Step("list_users"),
        _Step(
            "create_user",
            before='pm.collectionVariables.set("newEmail", pm.variables.replaceIn("{{$guid}}@wutang.example"));',
            body={"email": "{{newEmail}}", "name": "Grace", "password": "{{newPassword}}", "scopes": []},
            keeps={"userId": "answer.data.id"},
        ),
        _Step("get_user"),
        _Step("update_user", body={"name": "Grace Hopper"}),
    ),
    "As the new user": (
        _Step(
            "login",
            "Log in as the new user",
            body={"email": "{{newEmail}}", "password": "{{newPassword}}"},
            keeps={"newAccessToken": "answer.data.access_token"},
        ),
        _Step("login", "Log in again, elsewhere", body={"email": "{{newEmail}}", "password": "{{newPassword}}"}),
        _Step(
            "list_sessions",
            bearer="newAccessToken",
            keeps={"sessionId": "answer.data.find((session) => !session.current).id"},
        ),
        _Step("end_session", bearer="newAccessToken"),
        _Step("ask_for_verification", bearer="newAccessToken"),
        _Step("ask_for_email_change", bearer="newAccessToken", body={"email": "another.{{newEmail}}"}),
        _Step(
            "change_password",
            bearer="newAccessToken",
            body={"current_password": "{{newPassword}}", "new_password": "another {{newPassword}}"},
        ),
    ),
    # the codes are made by an app, so that of these only the refusals can be shown
    "Second factor": (
        _Step("list_factors"),
        _Step("add_totp"),
        _Step("confirm_totp", "The first code, which is another one", expected=(409, 10003)),
        _Step("renew_recovery_codes", "Recovery codes, which need an app", expected=(404, 40004)),
        _Step("remove_totp", "Remove the app, which is not there yet", expected=(404, 40004)),
        _Step("login_second", "The second step of no login", expected=(401, 10003)),
        _Step("reset_factors"),
    ),
    # the links themselves are in the mails, so that of these only the refusals can be shown
    "By mail": (
        _Step("ask_to_register", body={"email": "not.yet.{{newEmail}}"}),
        _Step("register", expected=(409, 10003)),
        _Step("ask_for_reset", body={"email": "{{newEmail}}"}),
        _Step("reset_password", expected=(409, 10003)),
        _Step("look_up_link", expected=(404, 40004)),
        _Step("verify_email", expected=(409, 10003)),
        _Step("confirm_email", expected=(409, 10003)),
        _Step("undo_email_change", expected=(409, 10003)),
        _Step("reauthenticate", body={"password": "{{password}}"}),
        _Step("send_reset"),
    ),
    "Clean up and log out": (
        _Step("delete_user"),
        _Step("logout"),
        _Step("me", "Nobody after the log-out", expected=(401, 40001)),
    ),
}


def collection(document: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The collection (format v2.1.0), for the service at this URL."""
    operations = {
        operation["operationId"]: (path, method)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    run = {folder: [step for step in steps if step.operation_id in operations] for folder, steps in _RUN.items()}
    known = {step.operation_id for steps in run.values() for step in steps}
    # an operation that no step names yet is asked for as its example is, while somebody is logged in
    run["Log in"] += [_Step(operation_id) for operation_id in operations if operation_id not in known]
    variables = {"baseUrl": base_url, "email": "", "password": "", "newPassword": "correct horse battery staple"}
    return {
        "info": {
            "name": document["info"]["title"],
            "description": "Set `email` and `password` to a user's with the scopes `users:read` and `users:write`, and "
            "run it from top to bottom. `login` keeps the tokens for the other requests.",
            "version": document["info"]["version"],
            "schema": _SCHEMA,
        },
        "variable": [{"key": key, "value": value} for key, value in variables.items()],
        "item": [
            {"name": folder, "item": [_item(document, step, *operations[step.operation_id]) for step in steps]}
            for folder, steps in run.items()
            if steps
        ],
    }


def _item(document: dict[str, Any], step: _Step, path: str, method: str) -> dict[str, Any]:
    operation = document["paths"][path][method]
    example = example_request(document, path, method, base="{{baseUrl}}")
    status = next(int(status) for status in operation["responses"] if status.startswith("2"))
    success = _examples(document, operation["responses"][str(status)])
    code = success[0].get("code") if success and isinstance(success[0], dict) else None
    if step.expected is not None:
        status, code = step.expected

    request = {
        "method": example.method,
        "description": operation["description"],
        "header": [{"key": name, "value": value} for name, value in example.headers.items() if name != "Authorization"],
        "auth": {"type": "noauth"},
        "url": _url(path, operation, example),
    }
    if operation["security"]:
        bearer = [{"key": "token", "value": f"{{{{{step.bearer}}}}}", "type": "string"}]
        request["auth"] = {"type": "bearer", "bearer": bearer}
    if example.body is not None:
        raw = json.dumps(example.body if step.body is None else step.body, ensure_ascii=False, indent=4)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}

    events = [_event("test", _assertions(status, code, step.keeps, is_json=example.answer == "json"))]
    if step.before:
        events.append(_event("prerequest", [step.before]))
    return {
        "name": step.name or operation["summary"],
        "request": request,
        "event": events,
        "response": [
            _saved_response(int(answered), request, value)
            for answered, response in operation["responses"].items()
            for value in _examples(document, response)
        ],
    }


def _url(path: str, operation: dict[str, Any], example: ExampleRequest) -> dict[str, Any]:
    """The URL in Postman's parts; optional parameters without an example are there to be switched on."""
    parameters = operation.get("parameters", ())
    # the `id` behind /users is the variable userId, that behind /sessions is sessionId
    in_path = [
        {"key": after[1:-1], "value": f"{{{{{before.removesuffix('s')}Id}}}}"}
        for before, after in pairwise(path.split("/"))
        if after.startswith("{")
    ]
    sent = example.query
    query = [
        {
            "key": parameter["name"],
            "value": sent.get(parameter["name"], ""),
            "description": parameter.get("description", ""),
            "disabled": parameter["name"] not in sent,
        }
        for parameter in parameters
        if parameter["in"] == "query"
    ]
    return {
        "raw": "{{baseUrl}}" + re.sub(r"\{(\w+)\}", r":\1", path),
        "host": ["{{baseUrl}}"],
        "path": re.sub(r"\{(\w+)\}", r":\1", path).strip("/").split("/"),
        "query": query,
        "variable": in_path,
    }


def _assertions(status: int, code: int | None, keeps: Mapping[str, str], *, is_json: bool) -> list[str]:
    lines = [f'pm.test("the status is {status}", () => pm.response.to.have.status({status}));']
    if is_json:
        lines.append("const answer = pm.response.json();")
    if code is not None:
        lines.append(f'pm.test("the code is {code}", () => pm.expect(answer.code).to.eql({code}));')
    lines += [f'pm.collectionVariables.set("{name}", {value});' for name, value in keeps.items()]
    return lines


def _event(listen: str, lines: list[str]) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


def _examples(document: dict[str, Any], response: dict[str, Any]) -> list[Any]:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    found = []
    for content in response.get("content", {}).values():
        if "example" in content:
            found.append(content["example"])
        found += [example["value"] for example in content.get("examples", {}).values()]
    return found


def _saved_response(status: int, request: dict[str, Any], value: Any) -> dict[str, Any]:
    code = f" · {value['code']} {value['message']}" if isinstance(value, dict) and "code" in value else ""
    return {
        "name": f"{status}{code}",
        "originalRequest": request,
        "status": HTTPStatus(status).phrase,
        "code": status,
        "_postman_previewlanguage": "json",
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "body": json.dumps(value, ensure_ascii=False, indent=4),
    }
