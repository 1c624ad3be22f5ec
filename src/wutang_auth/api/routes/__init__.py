"""The routes, one file a theme; which of them there are, the settings decide."""

from types import ModuleType

from wutang_auth.api.routes import (
    account,
    auth,
    docs,
    health,
    introspect,
    response_codes,
    revocations,
    users,
    verify,
    well_known,
)
from wutang_auth.settings import Settings


def modules_for(settings: Settings) -> list[ModuleType]:
    """The modules whose `router` the application has; what is off is not imported."""
    found = [auth, verify, introspect, users, response_codes, well_known, revocations, health, docs, account]
    if settings.mfa != "off" or settings.smtp_url is not None:
        from wutang_auth.api.routes import reauthenticate

        found += [reauthenticate]
    if settings.mfa != "off":
        from wutang_auth.api.routes import factors

        found += [factors]
    if settings.smtp_url is not None:
        from wutang_auth.api.routes import email, links, password_reset

        found += [password_reset, links, email]
        if settings.registration != "off":
            from wutang_auth.api.routes import register

            found += [register]
    return found
