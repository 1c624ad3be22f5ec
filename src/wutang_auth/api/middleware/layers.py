"""The layers around the whole application; which of them there are, the settings decide."""

from starlette.middleware import Middleware

from wutang_auth.api.middleware.answered_errors import AnsweredErrorsMiddleware
from wutang_auth.api.middleware.cors import CORSMiddleware
from wutang_auth.api.middleware.limits import LimitsMiddleware
from wutang_auth.api.middleware.request_context import RequestContextMiddleware
from wutang_auth.api.middleware.security_headers import SecurityHeadersMiddleware
from wutang_auth.settings import Settings


def layers_for(settings: Settings) -> list[Middleware]:
    """The outermost first; what is off is not imported."""
    found = []
    if settings.metrics_port is not None:
        from wutang_auth.api.middleware.metrics import MetricsMiddleware

        found.append(Middleware(MetricsMiddleware))
    found += [
        Middleware(
            RequestContextMiddleware,
            trusted_proxies=settings.trusted_proxies,
            budget_seconds=settings.db_request_timeout,
        ),
        Middleware(SecurityHeadersMiddleware),
    ]
    if settings.cors_origins:
        found.append(Middleware(CORSMiddleware, origins=settings.cors_origins))
    return [*found, Middleware(LimitsMiddleware), Middleware(AnsweredErrorsMiddleware)]
