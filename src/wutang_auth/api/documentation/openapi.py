"""The OpenAPI document: what FastAPI derives from the routes, completed with what it cannot see."""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from wutang_auth import errors
from wutang_auth.api.bodies import ParsedBody
from wutang_auth.api.dependencies import (
    RequiredScope,
    auth_service,
    authenticate,
    authenticate_to_enrol,
    factor_services,
    freshness_service,
    login_service,
    mail_services,
    recognize,
    verify_service,
)
from wutang_auth.api.documentation.code_samples import code_samples
from wutang_auth.api.documentation.examples import example
from wutang_auth.api.documentation.refusal_responses import INSTANCES, add_refusal, refusal_response, when
from wutang_auth.api.documentation.refusals import REFUSALS
from wutang_auth.api.envelope import ErrorEnvelope, InvalidParametersEnvelope
from wutang_auth.api.refusal_data import ENVELOPES
from wutang_auth.errors import AuthError
from wutang_auth.response_codes import ResponseCode

Document = dict[str, Any]
"""JSON, to be written out and read by programs that know OpenAPI; typing each level would say OpenAPI again."""

_SCHEMA: Final = "#/components/schemas/{model}"

_DESCRIPTION: Final = Path(__file__).parent / "assets" / "description.md"

_TAGS: Final = [
    {"name": "general", "description": "What the codes mean. 返回码说明"},
    {"name": "auth", "description": "Login, refresh, logout, and whose token it is. 登录、刷新、注销与当前用户"},
    {"name": "gateways", "description": "How gateways and other services ask about a token. 网关校验"},
    {"name": "factors", "description": "Second factors: an app that makes codes, and recovery codes. 第二因素"},
    {"name": "mail", "description": "Register, choose a new password, verify and change an address. 邮件操作"},
    {"name": "users", "description": "The users, for administrators. 用户管理"},
    {"name": "keys", "description": "How other services verify tokens. 公钥"},
    {"name": "health", "description": "For load balancers and supervisors. 健康检查"},
]

_SECURITY_SCHEMES: Final = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT (RFC 9068)",
        "description": "The `access_token` of a login or refresh. Some routes ask for a scope that the user must have: "
        "`users:read` to see users, `users:write` to change them.",
    },
    "refreshToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `refresh_token` of a login or refresh.",
    },
}

_HEADERS: Final = {
    "RequestId": {
        "description": "names this request in the service's log; the client's own `X-Request-ID` where it sent one",
        "schema": {"type": "string", "examples": ["4f9c1c0d7a3e2b58"]},
    },
    "RetryAfter": {
        "description": "seconds after which the same request may succeed",
        "schema": {"type": "integer", "minimum": 1, "examples": [1]},
    },
    "WwwAuthenticate": {
        "description": "what was wrong with the token (RFC 6750 section 3)",
        "schema": {"type": "string", "examples": ['Bearer realm="wutang-auth", error="invalid_token"']},
    },
    "Accept": {
        "description": "the media types that the route reads (RFC 9110 section 15.5.16)",
        "schema": {"type": "string", "examples": ["application/json"]},
    },
}

_WITH_DATABASE: Final = (
    auth_service, authenticate, authenticate_to_enrol, factor_services, freshness_service, login_service, mail_services,
    recognize, verify_service,
)  # fmt: skip


def build(app: FastAPI) -> Document:
    """The document of an app's routes."""
    codes = "\n".join(f"| {code.number} | {code.english} | {code.chinese} |" for code in ResponseCode)
    document: Document = get_openapi(
        title=app.title,
        version=app.version,
        summary="JWT authentication: login, refresh, logout that holds",
        description=_DESCRIPTION.read_text("utf-8").replace("{codes}", codes),
        servers=[{"url": app.root_path or "/"}],
        tags=_TAGS,
        routes=app.routes,
    )
    components = document["components"]
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["headers"] = _HEADERS
    components["responses"] = {error.__name__: refusal_response(error) for error in INSTANCES}
    needs_factor = app.state.settings.mfa in ("writers", "all")
    _complete_schemas(components["schemas"], _bodies(app))
    for route in _routes(app):
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _complete_operation(document, route, operation, needs_factor=needs_factor)
    _drop_unused(document)
    _add_links(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["x-codeSamples"] = code_samples(document, path, method)
    return document


def _drop_unused(document: Document) -> None:
    """Leave out the components that nothing refers to, such as refusals of what is off."""
    while True:
        text = to_json(document)
        unused = [
            (kind, name)
            for kind in ("responses", "schemas")
            for name in document["components"][kind]
            if f'"#/components/{kind}/{name}"'.encode() not in text
        ]
        if not unused:
            return
        for kind, name in unused:
            del document["components"][kind][name]


def _routes(app: FastAPI) -> Iterator[RouteContext]:
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            yield route


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    """A route, what it depends on, and what that depends on."""
    yield dependant
    for dependency in dependant.dependencies:
        yield from _dependants(dependency)


def _bodies(app: FastAPI) -> list[type[BaseModel]]:
    calls = [dependant.call for route in _routes(app) for dependant in _dependants(route.dependant)]
    return [call.model for call in calls if isinstance(call, ParsedBody)]


# -- Schemas ----------------------------------------------------------------------------------------------------------


def _complete_schemas(schemas: Document, bodies: Sequence[type[BaseModel]]) -> None:
    models: list[tuple[type[BaseModel], Any]] = [(body, "validation") for body in bodies]
    sent: list[type[BaseModel]] = [ErrorEnvelope, InvalidParametersEnvelope, *ENVELOPES.values()]
    models += [(model, "serialization") for model in sent]
    schemas |= models_json_schema(models, ref_template=_SCHEMA)[1]["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["ResponseCode"] = {
        "type": "integer",
        "enum": [code.number for code in ResponseCode],
        "x-enum-varnames": [code.name for code in ResponseCode],
        "x-enum-descriptions": [f"{code.chinese} ({code.english})" for code in ResponseCode],
        "description": "What became of a request, in more detail than its HTTP status.",
    }
    for name, schema in schemas.items():
        _drop_titles(schema)
        if name.endswith("Envelope"):
            schema["properties"]["code"] = {"$ref": _SCHEMA.format(model="ResponseCode")}
            if schema["properties"]["data"] == {"type": "null"}:
                # the same for whoever validates, and openapi-generator makes nothing of use of the other one
                schema["properties"]["data"] = {"const": None}
    for name in sorted(schemas):
        schemas[name] = schemas.pop(name)


def _drop_titles(schema: Any) -> None:
    """Leave out the names of fields in other words, which pydantic puts beside them."""
    if isinstance(schema, list):
        for item in schema:
            _drop_titles(item)
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for item in schema.values():
            _drop_titles(item)


# -- Operations -------------------------------------------------------------------------------------------------------


def _complete_operation(document: Document, route: RouteContext, operation: Document, *, needs_factor: bool) -> None:
    dependencies: list[Any] = [dependant.call for dependant in _dependants(route.dependant)]
    body = next((dependency for dependency in dependencies if isinstance(dependency, ParsedBody)), None)
    scopes = [dependency.scope for dependency in dependencies if isinstance(dependency, RequiredScope)]
    summary, _, description = cleandoc(operation.pop("description")).partition("\n\n")
    operation["summary"] = " ".join(summary.split()).rstrip(".")
    operation["security"] = _security(dependencies, scopes)
    for parameter in operation.get("parameters", ()):
        _drop_titles(parameter["schema"])
        parameter["schema"].pop("description", None)  # it is the parameter's already

    notes = [description] if description else []
    if scopes:
        notes.append(f"Asks for the scope `{'`, `'.join(scopes)}`.")
    if body is not None:
        schema = {"$ref": _SCHEMA.format(model=body.model.__name__)}
        content = {"schema": schema, "example": example(schema, document["components"]["schemas"])}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(body.media_types, content)}

    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own, with a body that this service does not send
    refused = _refused(route, dependencies, needs_factor=needs_factor)
    for status in {str(error.status) for error in refused}:
        responses.pop(status, None)  # made by `refusals`, to be replaced
    for response in responses.values():
        _complete_answer(response, document["components"]["schemas"])
    if refused:
        notes.append(_table(responses, refused))
    for error in refused:
        add_refusal(responses, document["components"]["responses"], error)
    operation["responses"] = {status: responses[status] for status in sorted(responses)}
    operation["description"] = "\n\n".join(notes)


def _security(dependencies: Sequence[Any], scopes: list[str]) -> list[dict[str, list[str]]]:
    if not {authenticate, authenticate_to_enrol, recognize, verify_service}.isdisjoint(dependencies):
        # OpenAPI 3.1, "Security Requirement Object": for a bearer scheme the list names the roles that are required
        return [{"accessToken": scopes}]
    if any(isinstance(dependency, SecurityBase) for dependency in dependencies):
        return [{"accessToken": []}, {"refreshToken": []}]
    return []


def _refused(route: RouteContext, dependencies: Sequence[Any], *, needs_factor: bool) -> list[type[AuthError]]:
    """Every refusal of a route, in the order of their statuses."""
    path = str(route.path_format)
    found: set[type[AuthError]] = {
        errors.MalformedRequest,
        errors.PayloadTooLarge,
        errors.HeadTooLarge,
    }  # by middleware
    for response in (route.responses or {}).values():
        found |= {getattr(errors, name) for name in response.get(REFUSALS, ())}
    found = found.union(*map(_refused_by, dependencies))
    if needs_factor and not {authenticate, recognize, verify_service}.isdisjoint(dependencies):
        found.add(errors.SecondFactorMissing)
    if any(dependant.query_params or dependant.header_params for dependant in _dependants(route.dependant)):
        found.add(errors.InvalidParameters)
    if "{" in path:
        found.add(errors.NotFound)
    if path.startswith("/api/"):
        found.add(errors.Failed)
    return sorted(found, key=lambda error: (error.status, error.code.number, error.__name__))


def _refused_by(dependency: Any) -> set[type[AuthError]]:
    """The refusals of one of a route's dependencies."""
    found: set[type[AuthError]] = set()
    if isinstance(dependency, SecurityBase):
        found |= {errors.Unauthenticated, errors.TokenExpired}
    if isinstance(dependency, RequiredScope):
        found.add(errors.InsufficientScope)
    if isinstance(dependency, ParsedBody):
        found |= {errors.InvalidParameters, errors.UnsupportedMediaType}
    if dependency in _WITH_DATABASE:
        found.add(errors.Unavailable)
    return found


def _complete_answer(response: Document, schemas: Document) -> None:
    """Of an answer that is the route's own: its header, its example, and what it means."""
    response["headers"] = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}, **response.get("headers", {})}
    for content in response.get("content", {}).values():
        value = example(content["schema"], schemas)
        if "code" in value:
            value |= {"code": ResponseCode.OK.number, "message": ResponseCode.OK.chinese}
        content["example"] = value


def _table(responses: Document, refused: Sequence[type[AuthError]]) -> str:
    """Every answer of an operation, in Markdown."""
    rows = [
        f"| {status} | {_code_in_chinese(ResponseCode.OK) if _has_envelope(response) else '–'} | "
        f"{response['description']} |"
        for status, response in responses.items()
        if status.startswith("2")
    ]
    rows += [f"| {error.status} | {_code_in_chinese(error.code)} | {when(error)} |" for error in refused]
    return "\n".join(["| HTTP | code | when |", "|---|---|---|", *rows])


def _has_envelope(response: Document) -> bool:
    return any("code" in content["example"] for content in response.get("content", {}).values())


def _add_links(document: Document) -> None:
    """From what was created to what can be done with it (OpenAPI 3.1, "Link Object")."""
    for path, operations in document["paths"].items():
        created = operations.get("post", {}).get("responses", {}).get("201")
        if created is None:
            continue
        for other, item in document["paths"].items():
            parent, _, name = other.rpartition("/")
            if parent != path or not name.startswith("{"):
                continue
            created["links"] = {
                operation["operationId"]: {
                    "operationId": operation["operationId"],
                    "parameters": {name.strip("{}"): "$response.body#/data/id"},
                }
                for operation in item.values()
            }


def _code_in_chinese(code: ResponseCode) -> str:
    return f"{code.number} {code.chinese}"
