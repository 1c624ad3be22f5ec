"""Settings, from environment variables with the prefix WUTANG_ and from .env: groups that add up to all of them."""

from wutang_auth.settings.groups import (
    DatabaseSettings,
    FactorSettings,
    HttpSettings,
    KeySettings,
    LegacySettings,
    LogSettings,
    MetricsSettings,
    PasswordSettings,
    Settings,
    ThrottleSettings,
    TokenSettings,
)
from wutang_auth.settings.loading import PREFIX, SettingsError, SettingsGroup, is_set, load, name_warnings
from wutang_auth.settings.mail import MailSettings, split_sender
from wutang_auth.settings.smtp_url import SmtpServer, parse_smtp_url
from wutang_auth.settings.values import Network

__all__ = [
    "PREFIX",
    "DatabaseSettings",
    "FactorSettings",
    "HttpSettings",
    "KeySettings",
    "LegacySettings",
    "LogSettings",
    "MailSettings",
    "MetricsSettings",
    "Network",
    "PasswordSettings",
    "Settings",
    "SettingsError",
    "SettingsGroup",
    "SmtpServer",
    "ThrottleSettings",
    "TokenSettings",
    "is_set",
    "load",
    "name_warnings",
    "parse_smtp_url",
    "split_sender",
]
