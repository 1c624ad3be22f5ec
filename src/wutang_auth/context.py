"""The context of the request that is being served: who asks, and how long it may still wait."""

import asyncio
import math
from contextvars import ContextVar

from wutang_auth.records import record


class RequestBudget:
    """How many seconds one request may still wait for PostgreSQL, all its statements together."""

    __slots__ = ("seconds_left",)

    def __init__(self, seconds: float) -> None:
        self.seconds_left = seconds


_UNLIMITED = RequestBudget(math.inf)


@record
class RequestContext:
    """What holds for one request. Outside of requests, as on the command line, nothing of it is known."""

    request_id: str | None = None
    client_address: str | None = None
    user_agent: str | None = None
    budget: RequestBudget = _UNLIMITED
    """Without a limit each statement still has its own."""
    client_gone: asyncio.Future[None] | None = None
    """Done when the client went away; the request then need not wait for its turn. None: nobody watches."""


request_context: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())  # noqa: B039 -- it is frozen
