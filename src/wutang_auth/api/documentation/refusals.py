"""What routes say about their refusals; the OpenAPI document is completed with it."""

from typing import Any, Final

from wutang_auth.errors import AuthError

REFUSALS: Final = "x-refusals"


def refusals(*refused: type[AuthError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: what it may refuse, besides what follows from its dependencies and parameters."""
    statuses = {error.status for error in refused}
    return {status: {REFUSALS: [error.__name__ for error in refused if error.status == status]} for status in statuses}
