"""Answers of the API, and what every one of them must be."""

from typing import Any

import httpx

CATALOGUE = {
    "10001": "参数有误",
    "10003": "数据有误",
    "20001": "操作成功",
    "40001": "禁止访问",
    "40003": "权限不足",
    "40004": "查询为空",
    "40005": "请求过期",
    "50001": "操作失败",
}  # code → message, in the order of the reference


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
