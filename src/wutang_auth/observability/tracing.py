"""Spans, where an OpenTelemetry SDK is configured; nothing of OpenTelemetry is imported elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from wutang_auth.errors import in_words


def is_configured() -> bool:
    """Whether this process has a tracer provider, which whoever configures an SDK sets."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return False
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


@contextmanager
def span(
    name: str, attributes: Mapping[str, str] = {}, *, kind: Literal["internal", "client"] = "internal"
) -> Iterator[None]:
    """A span around the block, below the current one; `client`: the block waits for another program."""
    from opentelemetry import trace

    # SECURITY: an exception is told in our words; messages of foreign exceptions hold values
    with trace.get_tracer("wutang_auth").start_as_current_span(
        name,
        kind=trace.SpanKind[kind.upper()],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except Exception as error:
            current.set_attribute("error.type", type(error).__qualname__)
            current.set_status(trace.StatusCode.ERROR, in_words(error))
            raise
