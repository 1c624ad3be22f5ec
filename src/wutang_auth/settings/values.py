"""What the text of a setting must be, where that is more than a number or a word."""

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from wutang_auth.settings.database_url import checked_url

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
_APP_SCHEMES = ("capacitor", "ionic", "tauri")  # of web views in apps, such as capacitor://localhost
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
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


def _lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


PostgresUrl = Annotated[SecretStr, AfterValidator(checked_url)]
COMMA_SEPARATED = BeforeValidator(_comma_separated)
Networks = Annotated[tuple[Network, ...], NoDecode, COMMA_SEPARATED]
Origins = Annotated[tuple[str, ...], NoDecode, COMMA_SEPARATED, AfterValidator(_origins)]
RootPath = Annotated[str, AfterValidator(_root_path)]
ANY_CASE = BeforeValidator(_lower_case)
"""For choices: `INFO` is `info`."""
