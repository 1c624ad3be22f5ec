"""The OpenAPI responses of refusals: one component for each kind, with what the service answers as examples."""

from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth import errors
from wutang_auth.api.envelope import ErrorEnvelope, InvalidParametersEnvelope, refusal
from wutang_auth.api.refusal_data import ENVELOPES
from wutang_auth.errors import AuthError, FieldError

Document = dict[str, Any]

_SCHEMA: Final = "#/components/schemas/{model}"

# One of each kind of refusal, by response component; the examples are what the service answers to them.
INSTANCES: Final[dict[type[AuthError], tuple[AuthError, ...]]] = {
    errors.Unauthenticated: (errors.TokenInvalid(), errors.TokenExpired()),
    errors.InvalidCredentials: (errors.InvalidCredentials(),),
    errors.InsufficientScope: (errors.InsufficientScope("users:read"),),
    errors.EmailNotVerified: (errors.EmailNotVerified(),),
    errors.NotFresh: (errors.NotFresh(300),),
    errors.SecondFactorNeeded: (
        errors.SecondFactorNeeded("mJ3nT0h2yqk0f1oTLqv8yqvC8k1o5G2b7yq0wX3ZrQ4", 300, ["totp", "recovery_code"]),
    ),
    errors.SecondFactorMissing: (errors.SecondFactorMissing(),),
    errors.NotFound: (errors.NotFound(),),
    errors.Conflict: (errors.Conflict(),),
    errors.MalformedRequest: (errors.MalformedRequest(),),
    errors.PayloadTooLarge: (errors.PayloadTooLarge(),),
    errors.HeadTooLarge: (errors.HeadTooLarge(),),
    errors.UnsupportedMediaType: (errors.UnsupportedMediaType("application/json"),),
    errors.InvalidParameters: (errors.InvalidParameters([FieldError("email", "missing")]),),
    errors.TooManyAttempts: (errors.TooManyAttempts(8),),
    errors.Failed: (errors.Failed(),),
    errors.Unavailable: (errors.Unavailable(),),
}

_WHEN: Final[dict[type[AuthError], str]] = {
    errors.Unauthenticated: "No token, a bad one, one that was revoked, or its user is disabled or deleted.",
    errors.NotFound: "There is none with this id, or with this token.",
    errors.Failed: "A bug of the service; its log tells more beside the `X-Request-ID`.",
}


def _component(error: type[AuthError]) -> type[AuthError]:
    """The response component that an error is an example of."""
    return next(ancestor for ancestor in error.__mro__ if ancestor in INSTANCES)


def when(error: type[AuthError]) -> str:
    """In words for clients: the class's own, where they are no programmer's."""
    return _WHEN.get(error, (error.__doc__ or "").split("\n\n")[0])


def refusal_response(error: type[AuthError]) -> Document:
    """The response component of a kind of refusal."""
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    examples: Document = {}
    for instance in INSTANCES[error]:
        answers = {language: _answer(instance, language) for language in ("zh", "en")}
        if "retry-after" in answers["zh"].headers:
            headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        if "www-authenticate" in answers["zh"].headers:
            headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WwwAuthenticate"}
        if "accept" in answers["zh"].headers:
            headers["Accept"] = {"$ref": "#/components/headers/Accept"}
        chinese, english = (from_json(bytes(answer.body)) for answer in answers.values())
        name = type(instance).__name__
        examples[name] = {"summary": str(instance.code.number), "value": chinese}
        if english != chinese:
            examples[f"{name}InEnglish"] = {
                "summary": f"{instance.code.number}, Accept-Language: en",
                "value": english,
            }
    model: type[BaseModel] = InvalidParametersEnvelope if issubclass(error, errors.InvalidParameters) else ErrorEnvelope
    model = ENVELOPES.get(error, model)
    return {
        "description": when(error),
        "headers": headers,
        "content": {
            "application/json": {"schema": {"$ref": _SCHEMA.format(model=model.__name__)}, "examples": examples}
        },
    }


def _answer(error: AuthError, language: str) -> Response:
    return refusal(Request({"type": "http", "headers": [(b"accept-language", language.encode())]}), error)


def add_refusal(responses: Document, components: Document, error: type[AuthError]) -> None:
    """Add an error to the responses of an operation, each under its status."""
    status, name = str(error.status), _component(error).__name__
    previous = responses.get(status)
    if previous is None:
        responses[status] = {"$ref": f"#/components/responses/{name}", "description": when(error)}
    elif previous.get("$ref", "").endswith(f"/{name}"):
        previous["description"] += f" {when(error)}"
    else:
        description = f"{previous['description']} {when(error)}"
        responses[status] = {**_merged(components, previous, components[name]), "description": description}


def _merged(components: Document, previous: Document, other: Document) -> Document:
    """One response instead of two that have the same status and different bodies."""
    first = components[previous["$ref"].rpartition("/")[2]] if "$ref" in previous else previous
    one, two = (response["content"]["application/json"] for response in (first, other))
    schemas = [*one["schema"].get("anyOf", [one["schema"]]), two["schema"]]
    unique = [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
    return {
        "headers": first["headers"] | other["headers"],
        "content": {"application/json": {"schema": {"anyOf": unique}, "examples": one["examples"] | two["examples"]}},
    }
