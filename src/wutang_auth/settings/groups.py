"""All that can be set, in groups. Times are seconds. Secrets have no default."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from wutang_auth.settings.database_url import implied_settings
from wutang_auth.settings.loading import PREFIX, SettingsGroup, is_set
from wutang_auth.settings.mail import MailSettings
from wutang_auth.settings.processors import processors
from wutang_auth.settings.values import (
    ANY_CASE,
    ClassNames,
    LegacyEnd,
    LegacySecret,
    MetricsPort,
    Networks,
    Origins,
    PostgresUrl,
    RootPath,
    without_colon,
)


class DatabaseSettings(SettingsGroup):
    """Where PostgreSQL is, and how long it may take."""

    database_url: PostgresUrl = Field(
        description="PostgreSQL, `postgresql://user:password@host/db`; several hosts are allowed"
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

    db_grouped_reads: bool = Field(
        default=True, description="requests at the same time share the query that reads their sessions"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_url(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What the URL says of the other settings; they outrank it where they are set, the defaults do not."""
        url = given.get("database_url", "")
        try:
            implied = implied_settings(url.get_secret_value() if isinstance(url, SecretStr) else str(url))
        except ValueError as error:
            raise ValueError(f"{PREFIX}DATABASE_URL: {error}") from None
        return {**given, **{name: value for name, value in implied.items() if not is_set(name)}}


class KeySettings(SettingsGroup):
    """Where the key ring is."""

    keys_file: Path = Field(description="the key ring, a JWK Set file made by `wutang-auth keys generate`")


class TokenSettings(SettingsGroup):
    """What tokens say and how long they and their sessions live."""

    issuer: str = Field("wutang-auth", min_length=1, max_length=255, description="the `iss` claim of every token")
    audience: str = Field("wutang", min_length=1, max_length=255, description="the `aud` claim of access tokens")
    client_id: str = Field(
        "wutang", min_length=1, max_length=255, description="the `client_id` claim of access tokens (RFC 9068)"
    )
    access_ttl: int = Field(3600, ge=1, le=86_400, description="lifetime of an access token")
    refresh_ttl: int = Field(1_209_600, ge=1, le=31_536_000, description="lifetime of a session from its login")
    refresh_grace: int = Field(
        10, ge=0, le=300, description="how long the old tokens count after the first use of those from a refresh"
    )
    refresh_with_access_token: bool = Field(
        default=True, description="accept the access token at refresh, for clients that hold one token only"
    )
    sessions_per_user: int = Field(
        100, ge=1, le=10_000, description="sessions of a user, at most; one more login ends the oldest"
    )
    fresh_seconds: int = Field(
        300,
        ge=1,
        le=86_400,
        description="how long after a login or `reauthenticate` address and second factors may be changed",
    )
    clock_skew: int = Field(5, ge=0, le=60, description="how far in the future a token's `iat` and `nbf` may lie")

    @model_validator(mode="after")
    def _audiences_differ(self) -> Self:
        # SECURITY: refresh tokens have the issuer as audience; one name for both would leave only `typ`
        if self.issuer == self.audience:
            raise ValueError(f"{PREFIX}AUDIENCE must differ from {PREFIX}ISSUER")
        return self


class LegacySettings(SettingsGroup):
    """What counts of the tokens of a Laravel application with jwt-auth that this service replaces."""

    legacy_secret: LegacySecret = Field(
        None, description="the `JWT_SECRET` of the Laravel application that is replaced, whose tokens count on"
    )
    legacy_until: LegacyEnd | None = Field(
        None, description="when they stop counting: a day or a timestamp, at most 60 days ahead; needed with the secret"
    )
    legacy_models: ClassNames = Field(
        ("App\\Models\\User", "App\\User"),
        description="its user models, comma-separated; tokens of other models are refused",
    )
    legacy_refresh_ttl: int = Field(
        1_209_600, ge=1, le=31_536_000, description="how long after its login a token of it may be refreshed"
    )
    legacy_mint: bool = Field(
        default=False, description="make access tokens that the Laravel application accepts too, for the way back"
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.legacy_secret is not None and self.legacy_until is None:
            raise ValueError(f"{PREFIX}LEGACY_UNTIL is not set: {PREFIX}LEGACY_SECRET needs it")
        if self.legacy_mint and self.legacy_secret is None:
            raise ValueError(f"{PREFIX}LEGACY_MINT needs {PREFIX}LEGACY_SECRET")
        return self


class PasswordSettings(SettingsGroup):
    """What a new password must have, and how passwords are hashed."""

    password_min_length: int = Field(8, ge=8, le=128, description="minimum code points of a new password")
    hash_workers: int = Field(
        default_factory=processors,
        ge=1,
        le=256,
        description="threads that hash passwords; default: the cores, or fewer where a container has a CPU quota",
    )
    hash_queue: int = Field(64, ge=0, le=10_000, description="logins that may wait for one; beyond it 503")


class ThrottleSettings(SettingsGroup):
    """How failed logins slow down the next ones."""

    throttle_account_failures: int = Field(
        10, ge=1, le=100, description="failed logins of an account before each doubles the wait"
    )
    throttle_address_failures: int = Field(
        100, ge=1, le=1_000_000, description="failed logins from a client address before each doubles the wait"
    )
    throttle_max_wait: int = Field(3600, ge=1, le=86_400, description="the longest such wait")
    throttle_reset_after: int = Field(
        86_400, ge=60, le=2_592_000, description="counting starts over after so long without an attempt"
    )


class FactorSettings(SettingsGroup):
    """Whether there are second factors, and who must have one."""

    mfa: Annotated[Literal["off", "optional", "writers", "all"], ANY_CASE] = Field(
        "off",
        description="second factors: off; for who adds one; or needed, by who has the scope `users:write`, or by all",
    )
    mfa_issuer: Annotated[str, AfterValidator(without_colon)] = Field(
        "", max_length=64, description="what apps call the account beside its e-mail; empty: the issuer, or its host"
    )


class HttpSettings(SettingsGroup):
    """How the service stands behind gateways and towards browsers."""

    trusted_proxies: Networks = Field((), description="networks whose `X-Forwarded-For` is believed, comma-separated")
    cors_origins: Origins = Field((), description="origins that browsers may call from, comma-separated; empty: none")
    root_path: RootPath = Field("", description="the prefix that a gateway strips before it forwards, such as `/auth`")
    verify_staleness: float = Field(
        0.0, ge=0, le=10, description="how old what `/api/auth/verify` knows of logouts may be; 0: it asks PostgreSQL"
    )
    response_style: Annotated[Literal["envelope", "laravel"], ANY_CASE] = Field(
        "envelope",
        description="`laravel`: login, refresh, logout, `me` and their 401s have the bodies of jwt-auth's quick start",
    )
    keep_alive: int = Field(
        75,
        ge=1,
        le=3600,
        description="a connection without a request is closed after so long; longer than the gateway's own",
    )
    receive_timeout: float = Field(
        15.0, gt=0, le=300, description="how long a request may take to arrive, and a client to read its answer"
    )
    drain_seconds: float = Field(
        1.0, ge=0, le=60, description="after SIGTERM `/readyz` says 503 for so long before connections close"
    )


class LogSettings(SettingsGroup):
    """How the log is written."""

    log_format: Annotated[Literal["json", "console"], ANY_CASE] = Field(
        "console", description="`json`: each line one object; or `console`"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = Field(
        "info", description="the minimum level that is logged"
    )


class MetricsSettings(SettingsGroup):
    """Where Prometheus reads the numbers of each worker."""

    metrics_port: MetricsPort = Field(
        None,
        ge=1,
        le=65_535,
        description="Prometheus reads `/metrics` there; each further worker takes the next free port; empty: nowhere",
    )
    metrics_host: str = Field(
        "127.0.0.1", min_length=1, max_length=255, description="the address of these ports; `0.0.0.0` in a container"
    )


class Settings(
    # pydantic lists the fields of the last base first
    MetricsSettings,
    LogSettings,
    HttpSettings,
    MailSettings,
    ThrottleSettings,
    FactorSettings,
    PasswordSettings,
    LegacySettings,
    TokenSettings,
    KeySettings,
    DatabaseSettings,
):
    """All of them, for the service."""

    @model_validator(mode="after")
    def _style_needs_refresh(self) -> Self:
        # the bodies of that style have no refresh token
        if self.response_style == "laravel" and not self.refresh_with_access_token:
            raise ValueError(f"{PREFIX}RESPONSE_STYLE=laravel needs {PREFIX}REFRESH_WITH_ACCESS_TOKEN=true")
        return self
