"""The settings: which are unsafe, and which have no effect."""

from collections.abc import Collection, Iterable, Iterator
from urllib.parse import urlsplit

from wutang_auth.service.doctor.findings import Finding, look, or_well, wrong
from wutang_auth.settings import PREFIX, FactorSettings, LegacySettings, MailSettings, MetricsSettings, Settings
from wutang_auth.settings.processors import processors

_CHECK = "settings"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def check_settings(settings: Settings, given: Collection[str], warnings: Collection[str]) -> list[Finding]:
    """Look at what is set.

    Args:
        settings: The settings of the service.
        given: The names of those that are not left at their defaults, as fields are called.
        warnings: What is to be said of names that are no settings.
    """
    found = [
        *(look(_CHECK, warning, "correct the name, or remove it") for warning in warnings),
        *_unsafe(settings),
        *_without_effect(settings, given),
    ]
    return or_well(found, _CHECK, "nothing unsafe, nothing without effect")


def _unsafe(settings: Settings) -> Iterator[Finding]:
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield wrong(
            _CHECK,
            f"{PREFIX}TRUSTED_PROXIES is everybody: whoever guesses passwords writes an address of their choice",
            "name the networks of your gateways",
        )
    for origin in settings.cors_origins:
        if _is_in_clear(origin):
            yield look(
                _CHECK,
                f"{PREFIX}CORS_ORIGINS has {origin}: anybody on the way can change its pages",
                "serve that page by https",
            )
    if _is_in_clear(settings.public_url):
        yield wrong(
            _CHECK,
            f"{PREFIX}PUBLIC_URL is http: the links of mails would travel in the clear",
            "make it the https URL of the gateway",
        )
    if settings.log_level in ("warning", "error"):
        yield look(
            _CHECK,
            f"{PREFIX}LOG_LEVEL={settings.log_level}: the audit trail, at info, is not written",
            f"{PREFIX}LOG_LEVEL=info",
        )


def _without_effect(settings: Settings, given: Collection[str]) -> Iterator[Finding]:
    has_mail, has_factors = settings.smtp_url is not None, settings.mfa != "off"
    switches: list[tuple[bool, Collection[str], Iterable[str]]] = [
        (has_mail, ["smtp_url"], MailSettings.model_fields),
        (has_factors, ["mfa"], FactorSettings.model_fields),
        (has_mail or has_factors, ["smtp_url", "mfa"], ["fresh_seconds"]),
        (settings.legacy_secret is not None, ["legacy_secret"], LegacySettings.model_fields),
        (settings.metrics_port is not None, ["metrics_port"], MetricsSettings.model_fields),
        (settings.registration != "off" or not has_mail, ["registration"], ["link_register"]),
    ]
    for is_on, switch, fields in switches:
        names = [_called(name) for name in fields if name in given and name not in switch]
        if names and not is_on:
            needed = " or ".join(map(_called, switch))
            has, them = ("has", "it") if len(names) == 1 else ("have", "them")
            yield look(
                _CHECK, f"{', '.join(names)} {has} no effect without {needed}", f"set {needed}, or remove {them}"
            )
    if settings.registration_domains and settings.registration != "domains":
        yield look(
            _CHECK,
            f"{PREFIX}REGISTRATION_DOMAINS has no effect: {PREFIX}REGISTRATION is {settings.registration}",
            f"{PREFIX}REGISTRATION=domains, or remove them",
        )
    if settings.access_ttl > settings.refresh_ttl:
        yield look(
            _CHECK,
            f"{PREFIX}ACCESS_TTL is longer than {PREFIX}REFRESH_TTL: no token outlives its session",
            f"lower {PREFIX}ACCESS_TTL",
        )
    if settings.db_request_timeout < settings.db_statement_timeout:
        yield look(
            _CHECK,
            f"{PREFIX}DB_STATEMENT_TIMEOUT has no effect: {PREFIX}DB_REQUEST_TIMEOUT is shorter",
            f"lower {PREFIX}DB_STATEMENT_TIMEOUT, or raise {PREFIX}DB_REQUEST_TIMEOUT",
        )
    if settings.hash_workers > processors():
        yield look(
            _CHECK,
            f"{PREFIX}HASH_WORKERS={settings.hash_workers}, but this machine gives {processors()} processors: logins"
            " take them from everyone who is logged in",
            f"remove it, or {PREFIX}HASH_WORKERS={processors()}",
        )


def _called(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _is_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _THIS_MACHINE
