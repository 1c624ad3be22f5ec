"""Answers of the API, and what every one of them must be."""

from typing import Any

import httpx


def success(response: httpx.Response, status: int = 200) -> Any:
    """The data of an answer that must be a success."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["code"] == 20001
    assert set(body) == {"code", "message", "data"}
    return body["data"]


def assert_refused(response: httpx.Response, status: int, code: int) -> dict[str, Any]:
    """The body of an answer that must be this refusal, in the envelope."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    body: dict[str, Any] = response.json()
    assert set(body) == ({"code", "message", "data", "errors"} if code == 10001 else {"code", "message", "data"})
    assert body["data"] is None
    assert response.headers["content-type"] == "application/json"
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer ")
    return body
