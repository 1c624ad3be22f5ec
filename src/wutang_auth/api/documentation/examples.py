"""Examples: a value of a JSON schema, put together from the examples of its fields."""

from typing import Any, Final

_BY_FORMAT: Final = {
    "date-time": "2026-11-23T08:00:00.000000Z",
    "email": "demo@wutang.example",
    "uuid": "0b9e6c1e-6f0a-4c53-9d59-7a4f8a0f2f11",
}
_BY_TYPE: Final = {"string": "string", "integer": 1, "number": 1.0, "boolean": False, "null": None}


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """What the schema's author gives as an example, or else one value that the schema allows."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    given = _given(schema)
    if given is not None:
        return given
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return example(choices[0], schemas)
    if schema.get("type") == "object" or "properties" in schema:
        return {name: example(field, schemas) for name, field in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [example(schema["items"], schemas)] if "items" in schema else []
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(schema.get("type", "null")))


def _given(schema: dict[str, Any]) -> Any:
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    return schema.get("const", schema.get("default"))
