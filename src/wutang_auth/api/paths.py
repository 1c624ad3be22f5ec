"""The path of a request, as everybody here reads it."""

from typing import Final

from starlette.types import Scope

VERIFY: Final = "/api/auth/verify"


def route_path(scope: Scope) -> str:
    """The path that routes are declared with: without the prefix that a gateway forwards.

    As Starlette's own router reads it, so that what middleware thinks a request is for is what serves it.
    """
    path: str = scope["path"]
    prefix = scope.get("root_path")
    if not prefix or not path.startswith(prefix):
        return path
    rest = path[len(prefix) :]
    return rest if rest[:1] in ("", "/") else path


def is_for_verify(scope: Scope) -> bool:
    """Whether a gateway asks about a request of its client: at `/api/auth/verify` or anywhere below it."""
    path = route_path(scope)
    return path.startswith(VERIFY) and path[len(VERIFY) : len(VERIFY) + 1] in ("", "/")
