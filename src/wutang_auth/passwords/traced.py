"""Hashing where OpenTelemetry is configured: each hash is a span."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from wutang_auth.observability import tracing
from wutang_auth.passwords.workers import Passwords

P = ParamSpec("P")
T = TypeVar("T")


class TracedPasswords(Passwords):
    """Hashes and verifies; a span lasts from the call to its result, with the time in the queue."""

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with tracing.span("hash password"):
            return await super()._run(function, *args, **kwargs)
