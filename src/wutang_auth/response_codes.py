"""The business codes that every answer under /api carries."""

from enum import Enum
from typing import Literal

Language = Literal["zh", "en"]


class ResponseCode(Enum):
    """A code, the HTTP status it usually comes with, and its message in both languages.

    The order is the catalogue's. Numbers are never reused.
    """

    INVALID_PARAMETERS = (10001, 422, "参数有误", "Invalid parameters")
    INVALID_DATA = (10003, 409, "数据有误", "Invalid data")
    OK = (20001, 200, "操作成功", "Success")
    FORBIDDEN = (40001, 401, "禁止访问", "Access denied")
    INSUFFICIENT_SCOPE = (40003, 403, "权限不足", "Insufficient permissions")
    NOT_FOUND = (40004, 404, "查询为空", "Not found")
    EXPIRED = (40005, 401, "请求过期", "Request expired")
    FAILED = (50001, 500, "操作失败", "Operation failed")

    def __init__(self, number: int, status: int, chinese: str, english: str) -> None:
        self.number = number
        self.status = status
        self.chinese = chinese
        self.english = english

    def message(self, language: Language) -> str:
        """The code's meaning for people."""
        return self.english if language == "en" else self.chinese


def catalogue(language: Language) -> dict[str, str]:
    """Every code with its message, in the documented order."""
    return {str(code.number): code.message(language) for code in ResponseCode}
