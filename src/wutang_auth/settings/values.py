"""What the text of a setting must be, where that is more than a number or a word."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from wutang_auth.fields import parse_timestamp
from wutang_auth.settings.database_url import checked_url

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
_APP_SCHEMES = ("capacitor", "ionic", "tauri")  # of web views in apps, such as capacitor://localhost
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_LEGACY_SECRET_BYTES = 32  # RFC 7518 section 3.2
_LEGACY_TIME = timedelta(days=60)
_AMBIGUOUS = frozenset("ßς\u200c\u200d")  # IDNA2003, which Python knows, and browsers disagree on these


def _comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(_origin(text) for text in value)
    except ValueError:  # urlsplit's quote the value
        raise ValueError("must be a comma-separated list of origins such as https://shop.example") from None


def _origin(text: str) -> str:
    """An origin as browsers send it (RFC 6454 section 6.2): they are compared letter by letter.

    Raises:
        ValueError: it is none, or `null`, which any sandboxed page of anybody's sends too.
    """
    parts = urlsplit(text)
    host = parts.hostname
    if (
        parts.scheme not in (*_DEFAULT_PORTS, *_APP_SCHEMES)
        or not host
        or parts.path
        or re.search(r"[\s?#@%*\\]", text)
    ):
        raise ValueError("no origin")
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    if ":" in host:
        return f"{parts.scheme}://[{ipaddress.IPv6Address(host)}]{port}"
    domain = host.encode("idna").decode("ascii").lower()
    if _AMBIGUOUS & set(host) or not _DOMAIN.fullmatch(domain):
        raise ValueError("no domain, or one that must be written in A-labels")
    return f"{parts.scheme}://{domain}{port}"


def _root_path(value: str) -> str:
    if value and (not value.startswith("/") or value.endswith("/")):
        raise ValueError("must begin with / and not end with it")
    return value


def _legacy_secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value().encode()) < _LEGACY_SECRET_BYTES:
        raise ValueError(f"must have at least {_LEGACY_SECRET_BYTES} bytes")
    return value


def _end_of_legacy(value: Any) -> Any:
    """A day or a timestamp, at most so far ahead that it cannot be forgotten; one that is past closes the gate."""
    if not isinstance(value, str):
        return value
    try:
        until = parse_timestamp(f"{value}T00:00:00Z" if len(value) == len("2026-11-23") else value)
    except ValueError:
        raise ValueError("must be a day such as 2026-11-23, or a timestamp such as 2026-11-23T08:00:00Z") from None
    if until > datetime.now(UTC) + _LEGACY_TIME:
        raise ValueError(f"must be at most {_LEGACY_TIME.days} days ahead")
    return until


def _class_names(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must name one class at least")
    return tuple(name.removeprefix("\\") for name in value)


def _metrics_port(value: int | None) -> int | None:
    if value is not None and find_spec("prometheus_client") is None:
        raise ValueError("needs prometheus-client, which is not installed: pip install 'wutang-auth[metrics]'")
    return value


def without_colon(value: str) -> str:
    """The text, if it has no colon, which in the URI of an app parts the name from the account.

    Raises:
        ValueError: it has one.
    """
    if ":" in value:
        raise ValueError("must not contain a colon")
    return value


def _lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


PostgresUrl = Annotated[SecretStr, AfterValidator(checked_url)]
COMMA_SEPARATED = BeforeValidator(_comma_separated)
Networks = Annotated[tuple[Network, ...], NoDecode, COMMA_SEPARATED]
Origins = Annotated[tuple[str, ...], NoDecode, COMMA_SEPARATED, AfterValidator(_origins)]
LegacySecret = Annotated[SecretStr | None, AfterValidator(_legacy_secret)]
LegacyEnd = Annotated[datetime, BeforeValidator(_end_of_legacy)]
ClassNames = Annotated[tuple[str, ...], NoDecode, COMMA_SEPARATED, AfterValidator(_class_names)]
MetricsPort = Annotated[int | None, AfterValidator(_metrics_port)]
RootPath = Annotated[str, AfterValidator(_root_path)]
ANY_CASE = BeforeValidator(_lower_case)
"""For choices: `INFO` is `info`."""
