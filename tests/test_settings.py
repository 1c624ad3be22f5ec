"""Settings: what is taken, and what stops the service before it starts."""

import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.commands import run_apart
from wutang_auth.settings import (
    DatabaseSettings,
    KeySettings,
    PasswordSettings,
    Settings,
    SettingsError,
    SmtpServer,
    is_set,
    load,
    name_warnings,
    parse_smtp_url,
    split_sender,
)
from wutang_auth.settings.processors import processors

CANARY = "canary"
URL = f"postgresql://wutang:{CANARY}@db.example/wutang"
OLD_NAMES = {
    "THROTTLE_ACCOUNT_FREE": "THROTTLE_ACCOUNT_FAILURES",
    "THROTTLE_ADDRESS_FREE": "THROTTLE_ADDRESS_FAILURES",
    "THROTTLE_FORGET": "THROTTLE_RESET_AFTER",
}
GIVEN: dict[str, str] = {"WUTANG_DATABASE_URL": URL, "WUTANG_KEYS_FILE": "/run/secrets/keys.json"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty directory, and only what has to be set."""
    monkeypatch.chdir(tmp_path)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def test_defaults_are_the_contracts() -> None:
    settings = load(Settings)
    assert (settings.access_ttl, settings.refresh_ttl, settings.refresh_grace) == (3600, 14 * 24 * 3600, 10)
    assert settings.refresh_with_access_token
    assert settings.password_min_length == 8
    assert (settings.trusted_proxies, settings.cors_origins, settings.root_path) == ((), (), "")
    assert (settings.log_format, settings.log_level) == ("console", "info")


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


TAKEN: dict[str, tuple[str, Any]] = {
    "ISSUER": ("https://id.wutang.example", "https://id.wutang.example"),
    "ACCESS_TTL": ("60", 60),
    "REFRESH_GRACE": ("0", 0),
    "REFRESH_WITH_ACCESS_TOKEN": ("false", False),
    "CORS_ORIGINS": ("https://a.example, http://b.example:8080", ("https://a.example", "http://b.example:8080")),
    "ROOT_PATH": ("/auth", "/auth"),
    "DB_STATEMENT_TIMEOUT": ("0.5", 0.5),
    "HASH_QUEUE": ("0", 0),
    "LOG_FORMAT": ("json", "json"),
    "LOG_LEVEL": ("WARNING", "warning"),
    "KEEP_ALIVE": ("620", 620),
    "THROTTLE_RESET_AFTER": ("60", 60),
}


@pytest.mark.parametrize("name", TAKEN)
def test_setting_is_taken_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = TAKEN[name]
    monkeypatch.setenv(f"WUTANG_{name}", text)
    assert getattr(load(Settings), name.lower()) == value


@pytest.mark.parametrize(("text", "value"), [("JSON", "json"), ("Console", "console")])
def test_letter_case_of_a_choice_does_not_matter(text: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_LOG_FORMAT", text)
    monkeypatch.setenv("WUTANG_REFRESH_WITH_ACCESS_TOKEN", "FALSE")
    settings = load(Settings)
    assert (settings.log_format, settings.refresh_with_access_token) == (value, False)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("HTTPS://Shop.Example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://[2001:DB8:0:0::1]", "https://[2001:db8::1]"),
        ("https://店铺.example", "https://xn--hxtq42j.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://my_shop.example.", "https://my_shop.example."),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("Tauri://localhost", "tauri://localhost"),
    ],
)
def test_origin_is_compared_as_browsers_send_it(text: str, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_CORS_ORIGINS", f"{text}, https://other.example")
    assert load(Settings).cors_origins == (sent, "https://other.example")


def test_trusted_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7 ,fd00::/8,")
    assert [str(network) for network in load(Settings).trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://", "postgres://h/d", "postgresql:///d", "postgresql://u:p%40ss@h:5432/d?sslmode=require",
        "postgresql://u@a:1,b:2,c:3/d?target_session_attrs=read-write", "postgresql://u@/d?host=%2Frun%2Fpg&port=5432",
        "postgresql://u@[::1]:3/d", "postgresql://u@/d?host=a,[::1]&port=1,2", "postgresql://u:a,b@[::1]/d",
        "postgresql://h/d?application_name=x&sslmode=verify-full&sslrootcert=/ca.pem",
    ],
)  # fmt: skip
def test_database_url_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_DATABASE_URL", url)
    assert load(Settings).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://smtp.shop.example", SmtpServer("smtp.shop.example", 465, "from the start")),
        ("smtp://smtp.shop.example", SmtpServer("smtp.shop.example", 587, "starttls")),
        ("smtp://u%40x:p%2F%3Aw@h:2525/", SmtpServer("h", 2525, "starttls", "u@x", "p/:w")),
        ("smtp://localhost:25", SmtpServer("localhost", 25, "none")),
        ("smtp://127.8.9.1", SmtpServer("127.8.9.1", 587, "none")),
        ("smtp://[::1]:26", SmtpServer("::1", 26, "none")),
        ("smtps://127.0.0.1", SmtpServer("127.0.0.1", 465, "from the start")),
        ("file:///var/mails%20here", Path("/var/mails here")),
    ],
)
def test_url_of_a_mail_server_is_taken_apart(url: str, server: SmtpServer | Path) -> None:
    assert parse_smtp_url(url) == server
    assert "p/:w" not in repr(parse_smtp_url(url))


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("no-reply@shop.example", ("", "no-reply@shop.example")),
        ("Shop <no-reply@shop.example>", ("Shop", "no-reply@shop.example")),
        ('"The Shop, Ltd." <no-reply@shop.example>', ("The Shop, Ltd.", "no-reply@shop.example")),
        ("店铺 <no-reply@店铺.example>", ("店铺", "no-reply@店铺.example")),
    ],
)
def test_sender_is_an_address_with_or_without_a_name(text: str, sender: tuple[str, str]) -> None:
    assert split_sender(text) == sender


REFUSED: dict[str, tuple[str, str, str]] = {
    "a mail server by HTTP": ("SMTP_URL", f"https://u:{CANARY}@h", "must be a URL such as smtps://user:password@host"),
    "a mail server with a path": ("SMTP_URL", f"smtp://u:{CANARY}@h/inbox", "must be a URL such as smtps://"),
    "a mail server with a query": ("SMTP_URL", f"smtp://h?password={CANARY}", "must be a URL such as smtps://"),
    "a mail server with a bad port": ("SMTP_URL", f"smtp://u:{CANARY}/x@h", "must be a URL such as smtps://"),
    "a mail server without a password": ("SMTP_URL", f"smtp://{CANARY}@h", "must have both a user and a password"),
    "mails into a relative directory": ("SMTP_URL", f"file://{CANARY}/mails", "must be a URL such as smtps://"),
    "a sender without an address": ("MAIL_FROM", CANARY, "must be an address, or a name and an address"),
    "two senders": ("MAIL_FROM", f"<a@x.example> <{CANARY}@x.example>", "must be an address, or a name and an address"),
    "our URL without a scheme": ("PUBLIC_URL", f"{CANARY}.example", "must be the URL under which people reach"),
    "our URL with a fragment": ("PUBLIC_URL", f"https://shop.example/#{CANARY}", "must be the URL under which people"),
    "our URL with a password": ("PUBLIC_URL", f"https://u:{CANARY}@shop.example", "must be the URL under which people"),
    "a link without its token": ("LINK_RESET", f"https://shop.example/{CANARY}#x", "{token} behind its #"),
    "a link with its token in the query": ("LINK_RESET", f"https://{CANARY}.x/?t={{token}}#", "{token} behind its #"),
    "a link that is a script": ("LINK_VERIFY", f"javascript:{CANARY}#{{token}}", "{token} behind its #"),
    "a domain with a path": ("REGISTRATION_DOMAINS", f"shop.example,{CANARY}/x", "must be domains such as"),
    "registration for some": ("REGISTRATION", CANARY, "input should be 'off', 'domains' or 'open'"),
    "second factors for some": ("MFA", CANARY, "input should be 'off', 'optional', 'writers' or 'all'"),
    "a name with a colon for apps": ("MFA_ISSUER", f"{CANARY}: shop", "must not contain a colon"),
    "a link for ever": ("RESET_TTL", "86401", "less than or equal to 86400"),
    "a URL of another database": ("DATABASE_URL", f"mysql://{CANARY}@h/d", "must be a URL that begins with postgresql://"),
    "JDBC's URL": ("DATABASE_URL", f"jdbc:postgresql://{CANARY}@h/d", "must be a URL that begins with"),
    "words, no URL": ("DATABASE_URL", f"host=h password={CANARY}", "must be a URL that begins with postgresql://"),
    "a URL with a space": ("DATABASE_URL", f"postgresql://{CANARY} x@h/d", "without spaces"),
    "a URL with a line feed": ("DATABASE_URL", f"postgresql://{CANARY}@h/d\n", "without spaces"),
    "a URL with a bad port": ("DATABASE_URL", f"postgresql://u:p@h:{CANARY}/d", "its port must be a number"),
    "a URL with a port too large": ("DATABASE_URL", "postgresql://u:p@h:65536/d", "its port must be a number"),
    "a URL with a bad second port": ("DATABASE_URL", "postgresql://a:1,b:x/d", "its port must be a number"),
    "a URL with a bad port behind": ("DATABASE_URL", "postgresql://a/d?port=x", "its port must be a number"),
    "a URL with # in its password": ("DATABASE_URL", f"postgresql://u:{CANARY}#x@h/d", "percent-encode"),
    "a URL with an open bracket": ("DATABASE_URL", f"postgresql://u:{CANARY}[x@h/d", "percent-encode"),
    "several hosts, one by IPv6": ("DATABASE_URL", f"postgresql://u:{CANARY}@a:1,[::1]:2/d", "?host=a,[::1]"),
    "several hosts, all by IPv6": ("DATABASE_URL", f"postgresql://u:{CANARY}@[::1],[::2]/d", "?host=a,[::1]"),
    "a URL with a bad sslmode": ("DATABASE_URL", f"postgresql://h/d?sslmode={CANARY}", "sslmode must be one of"),
    "a URL with bad attributes": (
        "DATABASE_URL", f"postgresql://h/d?target_session_attrs={CANARY}", "target_session_attrs must be one of",
    ),
    "metrics at no port": ("METRICS_PORT", "65536", "less than or equal to 65535"),
    "metrics at a port in words": ("METRICS_PORT", CANARY, "should be a valid integer"),
    "a lifetime in words": ("ACCESS_TTL", f"{CANARY} minutes", "should be a valid integer"),
    "a lifetime of nothing": ("ACCESS_TTL", "0", "greater than or equal to 1"),
    "a negative lifetime": ("REFRESH_TTL", "-1", "greater than or equal to 1"),
    "a lifetime for ever": ("REFRESH_TTL", "99999999999999999999", "less than or equal to"),
    "a float for an integer": ("REFRESH_GRACE", "1.5", "should be a valid integer"),
    "a time that is none": ("DB_STATEMENT_TIMEOUT", "nan", ""),
    "an infinite time": ("DB_CONNECT_TIMEOUT", "inf", ""),
    "no truth": ("REFRESH_WITH_ACCESS_TOKEN", CANARY, "should be a valid boolean"),
    "a short password": ("PASSWORD_MIN_LENGTH", "7", "greater than or equal to 8"),
    "no network": ("TRUSTED_PROXIES", CANARY, "is not a valid IPv4 network"),
    "a network with host bits": ("TRUSTED_PROXIES", "10.0.0.1/8", ""),
    "every network": ("TRUSTED_PROXIES", "*", "is not a valid IPv4 network"),
    "no origin": ("CORS_ORIGINS", CANARY, "must be a comma-separated list of origins"),
    "every origin": ("CORS_ORIGINS", "*", "must be a comma-separated list of origins"),
    "an origin with a path": ("CORS_ORIGINS", f"https://{CANARY}.example/", "must be a comma-separated list"),
    "the origin of sandboxed pages": ("CORS_ORIGINS", "https://shop.example,null", "must be a comma-separated list"),
    "an origin of a file": ("CORS_ORIGINS", f"file://{CANARY}", "must be a comma-separated list"),
    "an origin without a host": ("CORS_ORIGINS", "https://", "must be a comma-separated list"),
    "an origin with a user": ("CORS_ORIGINS", f"https://{CANARY}@a.example", "must be a comma-separated list"),
    "an origin with a fragment": ("CORS_ORIGINS", f"https://a.example#{CANARY}", "must be a comma-separated list"),
    "an origin with an empty query": ("CORS_ORIGINS", "https://a.example?", "must be a comma-separated list"),
    "an origin with an empty label": ("CORS_ORIGINS", "https://a..example", "must be a comma-separated list"),
    "an origin with a bad port": ("CORS_ORIGINS", f"https://a.example:{CANARY}", "must be a comma-separated list"),
    "an origin with a bad address": ("CORS_ORIGINS", "https://[::zz]", "must be a comma-separated list"),
    "an origin that browsers name otherwise": ("CORS_ORIGINS", "https://straße.example", "must be a comma-separated"),
    "a wildcard in an origin": ("CORS_ORIGINS", "https://*.example", "must be a comma-separated list of origins"),
    "a prefix without a slash": ("ROOT_PATH", CANARY, "must begin with / and not end with it"),
    "a prefix with a slash too many": ("ROOT_PATH", f"/{CANARY}/", "must begin with / and not end with it"),
    "no pool": ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
    "no workers": ("HASH_WORKERS", "0", "greater than or equal to 1"),
    "a negative queue": ("HASH_QUEUE", "-1", "greater than or equal to 0"),
    "a format that is none": ("LOG_FORMAT", CANARY, "should be 'json' or 'console'"),
    "a level that is none": ("LOG_LEVEL", CANARY, "should be 'debug', 'info', 'warning' or 'error'"),
    "a short legacy secret": ("LEGACY_SECRET", f"{CANARY:x<31}", "must have at least 32 bytes"),
    "an end of legacy in words": ("LEGACY_UNTIL", CANARY, "must be a day such as"),
    "an end of legacy without a zone": ("LEGACY_UNTIL", "2026-11-23T08:00:00", "must be a day such as"),
    "an end of legacy that is far": ("LEGACY_UNTIL", "9999-01-01", "must be at most 60 days ahead"),
    "no legacy model": ("LEGACY_MODELS", ",", "must name one class at least"),
    "legacy refreshes of no time": ("LEGACY_REFRESH_TTL", "0", "greater than or equal to 1"),
    "a style that is none": ("RESPONSE_STYLE", CANARY, "should be 'envelope' or 'laravel'"),
    "a long audience": ("AUDIENCE", CANARY * 100, "at most 255 characters"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_bad_setting_is_refused_in_one_line_that_names_it_and_shows_no_value(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, text, reason = REFUSED[what]
    monkeypatch.setenv(f"WUTANG_{name}", text)
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    said = str(refused.value)
    assert said.startswith(f"WUTANG_{name}: ")
    assert reason in said
    assert "\n" not in said
    assert CANARY not in said
    assert refused.value.__suppress_context__


MAIL = {
    "SMTP_URL": f"smtps://shop:{CANARY}@smtp.shop.example",
    "MAIL_FROM": "no-reply@shop.example",
    "PUBLIC_URL": "https://shop.example/auth",
}
TOGETHER: dict[str, tuple[dict[str, str], str]] = {
    "a mail server without a sender": (
        MAIL | {"MAIL_FROM": ""}, "WUTANG_MAIL_FROM is not set, but WUTANG_SMTP_URL is, which needs it",
    ),
    "a mail server without our own URL": (
        MAIL | {"PUBLIC_URL": ""}, "WUTANG_PUBLIC_URL is not set, but WUTANG_SMTP_URL is, which needs it",
    ),
    "registration without mail": ({"REGISTRATION": "open"}, "WUTANG_REGISTRATION needs mail: set WUTANG_SMTP_URL too"),
    "verified addresses without mail": (
        {"LOGIN_NEEDS_VERIFIED_EMAIL": "true"},
        "WUTANG_LOGIN_NEEDS_VERIFIED_EMAIL needs mail: set WUTANG_SMTP_URL too",
    ),
    "registration for no domains": (
        MAIL | {"REGISTRATION": "domains"},
        "WUTANG_REGISTRATION_DOMAINS is not set: the domains whose addresses may register",
    ),
    "a legacy secret without an end": (
        {"LEGACY_SECRET": CANARY * 9}, "WUTANG_LEGACY_UNTIL is not set: WUTANG_LEGACY_SECRET needs it",
    ),
    "minting without a legacy secret": ({"LEGACY_MINT": "true"}, "WUTANG_LEGACY_MINT needs WUTANG_LEGACY_SECRET"),
    "a style without refresh tokens where only those refresh": (
        {"RESPONSE_STYLE": "laravel", "REFRESH_WITH_ACCESS_TOKEN": "false"},
        "WUTANG_RESPONSE_STYLE=laravel needs WUTANG_REFRESH_WITH_ACCESS_TOKEN=true",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TOGETHER)
def test_settings_that_do_not_go_together_are_refused_in_one_line(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, said = TOGETHER[what]
    for name, text in texts.items():
        monkeypatch.setenv(f"WUTANG_{name}", text)
    with pytest.raises(SettingsError, match=f"^{said}$"):
        load(Settings)


def test_legacy_tokens_may_have_ended_and_a_day_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(f"{CANARY * 9}\n")
    monkeypatch.setenv("WUTANG_LEGACY_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("WUTANG_LEGACY_UNTIL", "2026-11-23")
    monkeypatch.setenv("WUTANG_LEGACY_MODELS", r"\App\User, Shop\Customer")
    settings = load(Settings)
    assert settings.legacy_secret is not None
    assert settings.legacy_secret.get_secret_value() == CANARY * 9
    assert settings.legacy_until == datetime(2026, 11, 23, tzinfo=UTC)
    assert settings.legacy_models == (r"App\User", r"Shop\Customer")


@pytest.mark.parametrize("name", GIVEN)
def test_empty_required_setting_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(SettingsError, match=f"^{name} is not set: .+"):
        load(Settings)


def test_empty_setting_has_its_default_and_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        if f"WUTANG_{name.upper()}" not in GIVEN:
            monkeypatch.setenv(f"WUTANG_{name.upper()}", "")
    (tmp_path / ".env").write_text("WUTANG_ISSUER=id.wutang.example\nWUTANG_AUDIENCE=\n")
    settings = load(Settings)
    assert (settings.issuer, settings.audience, settings.cors_origins) == ("id.wutang.example", "wutang", ())


@pytest.mark.parametrize("name", GIVEN)
def test_missing_setting_is_named_with_its_meaning(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name} is not set: .+"):
        load(Settings)


def test_audience_must_differ_from_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_ISSUER", "wutang")
    with pytest.raises(SettingsError, match=r"^WUTANG_AUDIENCE must differ from WUTANG_ISSUER$"):
        load(Settings)


def test_dotenv_is_read_and_the_environment_outranks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WUTANG_ISSUER=店铺\nWUTANG_ACCESS_TTL=60\nOTHER=1\nWUTANG_UNKNOWN=1\n")
    monkeypatch.setenv("WUTANG_ACCESS_TTL", "120")
    settings = load(Settings)
    assert (settings.issuer, settings.access_ttl) == ("店铺", 120)


def test_dotenv_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"WUTANG_ISSUER=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"^the file \.env is not UTF-8$"):
        load(Settings)


def test_group_needs_only_what_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WUTANG_DATABASE_URL")
    monkeypatch.setenv("WUTANG_DB_POOL_SIZE", CANARY)
    (tmp_path / ".env").write_text("WUTANG_PASSWORD_MIN_LENGTH=20\n")
    assert load(PasswordSettings).password_min_length == 20
    assert load(KeySettings).keys_file == Path("/run/secrets/keys.json")


def test_groups_add_up_to_all_settings_and_share_none() -> None:
    names = [name for group in Settings.__bases__ for name in group.model_fields]  # type: ignore[attr-defined]
    assert sorted(names) == sorted(Settings.model_fields)


def test_default_of_a_command_holds_unless_something_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {"db_connect_timeout": 9.0, "db_statement_timeout": 30.0}
    monkeypatch.setenv("WUTANG_DB_STATEMENT_TIMEOUT", "3")
    settings = load(DatabaseSettings, defaults=defaults, db_pool_timeout=7.0)
    assert (settings.db_connect_timeout, settings.db_statement_timeout, settings.db_pool_timeout) == (9.0, 3.0, 7.0)


@pytest.mark.parametrize("content", [URL, f"{URL}\n", f"{URL}\r\n"], ids=repr)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_file_gives_a_secret(content: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WUTANG_DATABASE_URL")
    (tmp_path / "secret").write_bytes(content.encode())
    if where == "environment":
        monkeypatch.setenv("WUTANG_DATABASE_URL_FILE", str(tmp_path / "secret"))
    else:
        (tmp_path / ".env").write_text(f"WUTANG_DATABASE_URL_FILE={tmp_path / 'secret'}\n")
    assert is_set("database_url")
    assert load(Settings).database_url.get_secret_value() == URL


def test_secret_given_by_value_and_by_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_DATABASE_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    assert str(refused.value) == "WUTANG_DATABASE_URL and WUTANG_DATABASE_URL_FILE are both set; unset one"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff", "is not UTF-8"),
        (b"mysql://canary", "begins with"),
    ],
)
def test_secret_file_that_is_no_use_is_one_line(
    content: bytes | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WUTANG_DATABASE_URL")
    monkeypatch.setenv("WUTANG_DATABASE_URL_FILE", str(tmp_path / "secret"))
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^WUTANG_DATABASE_URL(_FILE)?: [^\n]*{reason}[^\n]*$") as refused:
        load(Settings)
    assert CANARY not in str(refused.value)


def test_empty_secret_file_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WUTANG_DATABASE_URL")
    monkeypatch.setenv("WUTANG_DATABASE_URL_FILE", str(tmp_path / "secret"))
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SettingsError, match=r"^WUTANG_DATABASE_URL is not set: "):
        load(Settings)


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_old_name_holds_for_one_release_and_the_new_one_outranks_it(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WUTANG_{old}", "77")
    assert getattr(load(Settings), new.lower()) == 77
    assert name_warnings(Settings) == [
        f"WUTANG_{old} is called WUTANG_{new} now; the next release ignores the old name"
    ]
    monkeypatch.setenv(f"WUTANG_{new}", "88")
    assert getattr(load(Settings), new.lower()) == 88


def test_environment_by_an_old_name_outranks_dotenv_by_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WUTANG_THROTTLE_RESET_AFTER=88\n")
    monkeypatch.setenv("WUTANG_THROTTLE_FORGET", "77")
    assert load(Settings).throttle_reset_after == 77


def test_unknown_name_is_warned_of_with_the_nearest_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_DATABASE_URL_FILE", "")
    monkeypatch.setenv("WUTANG_ACESS_TTL", "60")
    monkeypatch.setenv("WUTANG_ZZZZZZ", CANARY)
    monkeypatch.setenv("WUTANG_EMPTY", "")
    monkeypatch.setenv("WUTANG_TEST_ANYTHING", "1")
    monkeypatch.setenv("OTHER", "1")
    (tmp_path / ".env").write_text("WUTANG_DATABASE_URL_FIL=/x\nOTHER=1\nWUTANG_ISSUER=1\n")
    assert name_warnings(Settings) == [
        "WUTANG_ACESS_TTL is no setting; did you mean WUTANG_ACCESS_TTL?",
        "WUTANG_DATABASE_URL_FIL is no setting; did you mean WUTANG_DATABASE_URL_FILE?",
        "WUTANG_ZZZZZZ is no setting",
    ]


def test_what_kubernetes_says_of_its_services_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each container gets these for a Service named `wutang-auth`."""
    monkeypatch.setenv("WUTANG_AUTH_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("WUTANG_AUTH_SERVICE_PORT", "80")
    monkeypatch.setenv("WUTANG_AUTH_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("WUTANG_AUTH_PORT_80_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("WUTANG_DB_PORT", "5432")
    assert [line.split()[0] for line in name_warnings(Settings)] == ["WUTANG_DB_PORT"]


QUOTAS: dict[str, tuple[dict[str, str], float]] = {
    "none": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
    "one and a half": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
    "a tenth": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
    "of a group around": (
        {
            "proc/self/cgroup": "0::/a.slice/b.service\n",
            "sys/fs/cgroup/a.slice/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000\n",
        },
        1,
    ),
    "a path of the host's": (
        {"proc/self/cgroup": "0::/kubepods/pod1\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"},
        1,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "version 1, none": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        math.inf,
    ),
    "another system": ({}, math.inf),
}


@pytest.mark.parametrize("quota", QUOTAS)
def test_processors_are_the_cores_or_what_the_container_may_use(quota: str, tmp_path: Path) -> None:
    files, most = QUOTAS[quota]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert processors(tmp_path) == min(len(os.sched_getaffinity(0)), most)


def test_settings_show_no_secret() -> None:
    settings = load(Settings)
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings.model_dump())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(Settings), "issuer", "other")  # noqa: B010 -- a type checker would refuse the assignment too


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "WUTANG_DATABASE_URL is not set: PostgreSQL, "),
        ({"WUTANG_DATABASE_URL": URL}, "WUTANG_KEYS_FILE is not set: "),
        ({**GIVEN, "WUTANG_ACCESS_TTL": CANARY}, "WUTANG_ACCESS_TTL: "),
        (
            GIVEN,
            "WUTANG_KEYS_FILE: the key ring /run/secrets/keys.json does not exist; make one with ",
        ),
    ],
)
async def test_serve_stops_with_one_line(environment: dict[str, str], said: str) -> None:
    error = (await run_apart(environment, "serve", "--port", "0")).error
    assert error.startswith(said)
    assert CANARY not in error
