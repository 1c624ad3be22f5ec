"""What the text of a setting must be, where that is more than a number or a word."""

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TARGETS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_APP_SCHEMES = ("capacitor", "ionic", "tauri")  # of web views in apps, such as capacitor://localhost
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_AMBIGUOUS = frozenset("ßς\u200c\u200d")  # IDNA2003, which Python knows, and browsers disagree on these


def _postgresql_url(value: SecretStr) -> SecretStr:
    """What asyncpg would find wrong only when a request needs a connection."""
    url = value.get_secret_value()
    if not re.fullmatch(r"postgres(ql)?://[^\s\x00]*", url):
        raise ValueError("must be a URL that begins with postgresql://, without spaces")
    hosts = re.split("[/?#]", url.partition("://")[2])[0].rpartition("@")[2]
    if "," in hosts and "[" in hosts:
        # Python's parser takes that in some versions only
        raise ValueError(
            "of several hosts with IPv6 addresses must be like postgresql://user@/db?host=a,[::1]&port=1,2"
        )
    try:
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
    except ValueError:
        raise ValueError("must be a URL; percent-encode what is special in its password") from None
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")] + asked.get("port", "").split(",")
    if any(port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 2**16) for port in ports):
        raise ValueError("its port must be a number; percent-encode what is special in its password")
    for name, choices in (("sslmode", _SSL_MODES), ("target_session_attrs", _TARGETS)):
        if asked.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}")
    return value


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


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgresql_url)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_comma_separated)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_origins)]
RootPath = Annotated[str, AfterValidator(_root_path)]
ANY_CASE = BeforeValidator(_lower_case)
"""For choices: `INFO` is `info`."""
