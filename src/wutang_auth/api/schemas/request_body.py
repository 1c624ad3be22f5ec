"""What all request bodies have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """What a client sends: strict types, unknown names ignored, input hidden from every message."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Leave the defaults out of a JSON schema: generators of types take who has one for one that is always sent."""
    for field in schema["properties"].values():
        field.pop("default", None)
