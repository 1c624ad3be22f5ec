"""Code samples: one request, as it is written in several languages, for `x-codeSamples` of the OpenAPI document."""

import json
import shlex
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from wutang_auth.api.bodies import FORM
from wutang_auth.api.documentation.examples import example

EXAMPLE_BASE: Final = "http://127.0.0.1:8000"
"""Where the examples look for the service; the pages put their own place there."""


@dataclass(frozen=True, slots=True)
class ExampleRequest:
    """A request that an operation's examples make up."""

    method: str
    url: str
    query: dict[str, str]
    """The parameters behind the question mark of the URL, once more."""
    headers: dict[str, str]
    body: Any
    """None where the operation takes none."""
    answer: Literal["json", "text", "headers"]
    """What of the answer is worth a look."""


def code_samples(document: dict[str, Any], path: str, method: str) -> list[dict[str, str]]:
    """An operation's samples, in the form that ReDoc and others know."""
    request = example_request(document, path, method)
    return [
        {"lang": "Shell", "label": "bash", "source": _curl(request)},
        {"lang": "JavaScript", "label": "JavaScript", "source": _fetch(request)},
        {"lang": "Python", "label": "Python", "source": _httpx(request)},
        {"lang": "PHP", "label": "PHP", "source": _php(request)},
    ]


def example_request(document: dict[str, Any], path: str, method: str, base: str = EXAMPLE_BASE) -> ExampleRequest:
    """The request: optional parameters only where they have an example."""
    operation = document["paths"][path][method]
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        value = parameter.get("example", example(schema, document["components"]["schemas"]))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe=""))
        elif parameter["in"] == "query" and (parameter["required"] or "example" in parameter or schema.get("examples")):
            query[parameter["name"]] = str(value)
    success = next(response for status, response in operation["responses"].items() if status.startswith("2"))
    media_type = next(iter(success.get("content", ())), None)
    headers = {"Accept": media_type or "application/json"}
    body = None
    if "requestBody" in operation:
        sent, content = next(iter(operation["requestBody"]["content"].items()))
        headers = {"Content-Type": sent, **headers}
        body = content["example"]
    if operation["security"]:
        # where either token will do, the refresh token is the one that is meant
        scheme = next(iter(operation["security"][-1]))
        headers["Authorization"] = f"Bearer {'REFRESH_TOKEN' if scheme == 'refreshToken' else 'ACCESS_TOKEN'}"
    url = f"{base}{path}" + (f"?{urlencode(query)}" if query else "")
    answer: Literal["json", "text", "headers"] = "headers"
    if media_type is not None:
        answer = "json" if media_type.endswith("json") else "text"
    return ExampleRequest(method.upper(), url, query, headers, body, answer)


def is_form(request: ExampleRequest) -> bool:
    """Whether the body is an urlencoded form; else it is JSON."""
    return request.headers.get("Content-Type") == FORM


def _curl(request: ExampleRequest) -> str:
    show = " -i" if request.answer == "headers" else ""
    lines = [f"curl{show} -X {request.method} {shlex.quote(request.url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    if request.body is not None:
        lines.append(f"-d {shlex.quote(urlencode(request.body) if is_form(request) else _json(request.body))}")
    return " \\\n    ".join(lines)


def _fetch(request: ExampleRequest) -> str:
    options = [f"method: {_json(request.method)}", f"headers: {_json(request.headers, 1)}"]
    if request.body is not None:
        write = "new URLSearchParams" if is_form(request) else "JSON.stringify"
        options.append(f"body: {write}({_json(request.body, 1)})")
    inner = "".join(f"    {option},\n" for option in options)
    shown = {
        "json": "await response.json()",
        "text": "await response.text()",
        "headers": "response.status, Object.fromEntries(response.headers)",
    }[request.answer]
    return f"const response = await fetch({_json(request.url)}, {{\n{inner}}});\n\nconsole.log({shown});"


def _httpx(request: ExampleRequest) -> str:
    arguments = [_json(request.method), _json(request.url), f"headers={_literal(request.headers, _PYTHON, 1)}"]
    if request.body is not None:
        arguments.append(f"{'data' if is_form(request) else 'json'}={_literal(request.body, _PYTHON, 1)}")
    inner = "".join(f"    {argument},\n" for argument in arguments)
    shown = {"json": "response.json()", "text": "response.text", "headers": "response.status_code, response.headers"}
    return f"import httpx\n\nresponse = httpx.request(\n{inner})\n\nprint({shown[request.answer]})"


def _php(request: ExampleRequest) -> str:
    # the language's own streams: the curl extension is not installed everywhere
    lines = [
        f"'method' => {_php_string(request.method)},",
        f"'header' => {_literal([f'{name}: {value}' for name, value in request.headers.items()], _PHP, 1)},",
    ]
    if request.body is not None:
        write = "http_build_query" if is_form(request) else "json_encode"
        lines.append(f"'content' => {write}({_literal(request.body, _PHP, 1)}),")
    lines.append("'ignore_errors' => true,")
    options = "".join(f"    {line}\n" for line in lines)
    shown = {
        "json": "print_r(json_decode($response, true));",
        "text": "echo $response;",
        "headers": "print_r($http_response_header);",
    }[request.answer]
    return (
        f"<?php\n\n$context = stream_context_create(['http' => [\n{options}]]);\n"
        f"$response = file_get_contents({_php_string(request.url)}, false, $context);\n\n"
        f"{shown}"
    )


def _json(value: Any, depth: int = 0) -> str:
    return json.dumps(value, ensure_ascii=False, indent=4).replace("\n", "\n" + "    " * depth)


@dataclass(frozen=True, slots=True)
class _Syntax:
    """How a language writes what JSON writes."""

    brackets: tuple[str, str]
    arrow: str
    constants: tuple[str, str, str]
    """None, False, True."""


_PYTHON: Final = _Syntax(("{", "}"), ": ", ("None", "False", "True"))
_PHP: Final = _Syntax(("[", "]"), " => ", ("null", "false", "true"))


def _literal(value: Any, syntax: _Syntax, depth: int) -> str:
    if value is None or isinstance(value, bool):
        return syntax.constants[0 if value is None else int(value) + 1]
    if isinstance(value, str):
        return _php_string(value) if syntax is _PHP else _json(value)
    if not isinstance(value, dict | list):
        return str(value)
    items = [_literal(item, syntax, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
    if isinstance(value, dict):
        names = [_literal(name, syntax, depth) for name in value]
        items = [f"{name}{syntax.arrow}{item}" for name, item in zip(names, items, strict=True)]
    opening, closing = syntax.brackets if isinstance(value, dict) else ("[", "]")
    inner = "".join(f"{'    ' * (depth + 1)}{item},\n" for item in items)
    return f"{opening}\n{inner}{'    ' * depth}{closing}" if items else f"{opening}{closing}"


def _php_string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
