"""Settings, from environment variables with the prefix WUTANG_ and from .env."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "WUTANG_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SomeSettings = TypeVar("SomeSettings", bound=BaseSettings)


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and shows no value."""


_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TARGETS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")


def _cores() -> int:
    """The processors that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    for origin in value:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query or "*" in origin:
            raise ValueError("must be a comma-separated list of origins such as https://shop.example")
    return value


def _root_path(value: str) -> str:
    if value and (not value.startswith("/") or value.endswith("/")):
        raise ValueError("must begin with / and not end with it")
    return value


class Settings(BaseSettings):
    """All that can be set. Times are seconds. Secrets have no default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgresql_url)] = Field(
        description="PostgreSQL, `postgresql://user:password@host/db`; several hosts are allowed"
    )
    keys_file: Path = Field(description="the key ring, a JWK Set file made by `wutang-auth keys generate`")
    issuer: str = Field("wutang-auth", min_length=1, max_length=255, description="the `iss` claim of every token")
    audience: str = Field("wutang", min_length=1, max_length=255, description="the `aud` claim of access tokens")
    client_id: str = Field(
        "wutang", min_length=1, max_length=255, description="the `client_id` claim of access tokens (RFC 9068)"
    )
    access_ttl: int = Field(3600, ge=1, le=86_400, description="lifetime of an access token")
    refresh_ttl: int = Field(1_209_600, ge=1, le=31_536_000, description="lifetime of a session from its login")
    refresh_grace: int = Field(
        10, ge=0, le=300, description="how long a refresh token that was just used is answered again, for lost answers"
    )
    refresh_with_access_token: bool = Field(
        default=True, description="accept the access token at refresh, for clients that hold one token only"
    )
    clock_skew: int = Field(5, ge=0, le=60, description="how far in the future a token's `iat` and `nbf` may lie")
    password_min_length: int = Field(8, ge=8, le=128, description="least code points of a new password")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_comma_separated)] = Field(
        (), description="networks whose `X-Forwarded-For` is believed, comma-separated"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_origins)] = (
        Field((), description="origins that browsers may call from, comma-separated; empty: none")
    )
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "", description="the prefix that a gateway strips before it forwards, such as `/auth`"
    )
    db_pool_size: int = Field(32, ge=1, le=1000, description="PostgreSQL connections of each worker, at most")
    db_connect_timeout: float = Field(2.0, gt=0, le=60, description="longest wait for a new connection to PostgreSQL")
    db_statement_timeout: float = Field(2.0, gt=0, le=60, description="longest wait for an answer from PostgreSQL")
    db_pool_timeout: float = Field(1.0, gt=0, le=60, description="longest wait for a free connection")
    db_request_timeout: float = Field(
        5.0, gt=0, le=300, description="longest wait for PostgreSQL in one request, all that it does there together"
    )
    db_prepared_statements: bool = Field(
        default=True, description="off behind a PgBouncer before 1.21 in transaction mode"
    )
    throttle_account_free: int = Field(
        10, ge=1, le=100, description="failed logins of an account before each doubles the wait"
    )
    throttle_address_free: int = Field(
        100, ge=1, le=1_000_000, description="failed logins from a client address before each doubles the wait"
    )
    throttle_max_wait: int = Field(3600, ge=1, le=86_400, description="the longest such wait")
    throttle_forget: int = Field(
        86_400, ge=60, le=2_592_000, description="without an attempt for so long, counting begins anew"
    )
    hash_workers: int = Field(
        default_factory=_cores,
        ge=1,
        le=256,
        description="threads that hash passwords; default: the cores",
    )
    hash_queue: int = Field(64, ge=0, le=10_000, description="logins that may wait for one; beyond it 503")
    drain_seconds: float = Field(
        1.0, ge=0, le=60, description="after SIGTERM `/readyz` says 503 for so long before connections close"
    )
    log_format: Literal["json", "console"] = Field("console", description="`json`: each line one object; or `console`")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is logged"
    )

    @model_validator(mode="after")
    def _audiences_differ(self) -> Self:
        # SECURITY: refresh tokens have the issuer as audience; one name for both would leave only `typ`
        if self.issuer == self.audience:
            raise ValueError(f"{PREFIX}AUDIENCE must differ from {PREFIX}ISSUER")
        return self


def load(**given: Any) -> Settings:
    """The settings of this process; what is given outranks the environment.

    Raises:
        SettingsError: one line that names the setting, says what is wrong and shows no value.
    """
    return _checked(Settings, **given)


def database_url() -> str | None:
    """The database alone, for commands that need no other setting.

    Raises:
        SettingsError: it is set, but not to a URL.
    """
    url = _checked(_DatabaseOnly).database_url
    return None if url is None else url.get_secret_value()


def refresh_ttl() -> int:
    """The lifetime of a session alone, likewise.

    Raises:
        SettingsError: it is set, but not to such a number.
    """
    return _checked(_RefreshTtlOnly).refresh_ttl


def password_min_length() -> int:
    """The least code points of a new password alone, likewise.

    Raises:
        SettingsError: it is set, but not to such a number.
    """
    return _checked(_PasswordMinLengthOnly).password_min_length


def _checked(kind: type[SomeSettings], **given: Any) -> SomeSettings:
    try:
        return kind(**given)
    except UnicodeDecodeError:
        raise SettingsError("the file .env is not UTF-8") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsError(reason) from None
        field = str(first["loc"][0])
        name = PREFIX + field.upper()
        if first["type"] == "missing":
            raise SettingsError(f"{name} is not set: {kind.model_fields[field].description}") from None
        raise SettingsError(f"{name}: {reason[:1].lower()}{reason[1:]}") from None


class _PasswordMinLengthOnly(BaseSettings):
    model_config = Settings.model_config

    password_min_length: int = Field(8, ge=8, le=128)


class _RefreshTtlOnly(BaseSettings):
    model_config = Settings.model_config

    refresh_ttl: int = Settings.model_fields["refresh_ttl"].default


class _DatabaseOnly(BaseSettings):
    model_config = Settings.model_config

    database_url: Annotated[SecretStr, AfterValidator(_postgresql_url)] | None = None
