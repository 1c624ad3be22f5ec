"""Settings: what is taken, and what stops the service before it starts."""

from pathlib import Path
from typing import Any

import pytest

from support.commands import run_apart
from wutang_auth import settings as settings_module
from wutang_auth.settings import Settings, SettingsError, load

CANARY = "canary"
URL = f"postgresql://wutang:{CANARY}@db.example/wutang"
GIVEN: dict[str, str] = {"WUTANG_DATABASE_URL": URL, "WUTANG_KEYS_FILE": "/run/secrets/keys.json"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty directory, and only what has to be set."""
    monkeypatch.chdir(tmp_path)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def test_defaults_are_the_contracts() -> None:
    settings = load()
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
}


@pytest.mark.parametrize("name", TAKEN)
def test_setting_is_taken_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = TAKEN[name]
    monkeypatch.setenv(f"WUTANG_{name}", text)
    assert getattr(load(), name.lower()) == value


def test_trusted_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7 ,fd00::/8,")
    assert [str(network) for network in load().trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]


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
    assert load().database_url.get_secret_value() == url
    assert settings_module.database_url() == url


REFUSED: dict[str, tuple[str, str, str]] = {
    "a URL of another database": ("DATABASE_URL", f"mysql://{CANARY}@h/d", "must be a URL that begins with postgresql://"),
    "SQLAlchemy's URL": ("DATABASE_URL", f"postgresql+asyncpg://{CANARY}@h/d", "must be a URL that begins with"),
    "words, no URL": ("DATABASE_URL", f"host=h password={CANARY}", "must be a URL that begins with postgresql://"),
    "an empty URL": ("DATABASE_URL", "", "must be a URL that begins with postgresql://"),
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
    "a wildcard in an origin": ("CORS_ORIGINS", "https://*.example", "must be a comma-separated list of origins"),
    "a prefix without a slash": ("ROOT_PATH", CANARY, "must begin with / and not end with it"),
    "a prefix with a slash too many": ("ROOT_PATH", f"/{CANARY}/", "must begin with / and not end with it"),
    "no pool": ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
    "no workers": ("HASH_WORKERS", "0", "greater than or equal to 1"),
    "a negative queue": ("HASH_QUEUE", "-1", "greater than or equal to 0"),
    "a format that is none": ("LOG_FORMAT", CANARY, "should be 'json' or 'console'"),
    "a level that is none": ("LOG_LEVEL", CANARY, "should be 'debug', 'info', 'warning' or 'error'"),
    "an empty issuer": ("ISSUER", "", "at least 1 character"),
    "a long audience": ("AUDIENCE", CANARY * 100, "at most 255 characters"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_bad_setting_is_refused_in_one_line_that_names_it_and_shows_no_value(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, text, reason = REFUSED[what]
    monkeypatch.setenv(f"WUTANG_{name}", text)
    with pytest.raises(SettingsError) as refused:
        load()
    said = str(refused.value)
    assert said.startswith(f"WUTANG_{name}: ")
    assert reason in said
    assert "\n" not in said
    assert CANARY not in said
    assert refused.value.__suppress_context__
    if name == "DATABASE_URL":
        with pytest.raises(SettingsError, match=r"^WUTANG_DATABASE_URL: "):
            settings_module.database_url()


@pytest.mark.parametrize("name", GIVEN)
def test_missing_setting_is_named_with_its_meaning(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name} is not set: .+"):
        load()


def test_audience_must_differ_from_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUTANG_ISSUER", "wutang")
    with pytest.raises(SettingsError, match=r"^WUTANG_AUDIENCE must differ from WUTANG_ISSUER$"):
        load()


def test_dotenv_is_read_and_the_environment_outranks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WUTANG_ISSUER=店铺\nWUTANG_ACCESS_TTL=60\nOTHER=1\nWUTANG_UNKNOWN=1\n")
    monkeypatch.setenv("WUTANG_ACCESS_TTL", "120")
    settings = load()
    assert (settings.issuer, settings.access_ttl) == ("店铺", 120)


def test_dotenv_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"WUTANG_ISSUER=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"^the file \.env is not UTF-8$"):
        load()


def test_settings_show_no_secret() -> None:
    settings = load()
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings.model_dump())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(), "issuer", "other")  # noqa: B010 -- a type checker would refuse the assignment too


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "WUTANG_DATABASE_URL is not set: PostgreSQL, "),
        ({"WUTANG_DATABASE_URL": URL}, "WUTANG_KEYS_FILE is not set: "),
        ({**GIVEN, "WUTANG_ACCESS_TTL": CANARY}, "WUTANG_ACCESS_TTL: "),
        (GIVEN, "the key ring /run/secrets/keys.json does not exist; make one with `wutang-auth keys generate"),
    ],
)
async def test_serve_stops_with_one_line(environment: dict[str, str], said: str) -> None:
    error = (await run_apart(environment, "serve", "--port", "0")).error
    assert error.startswith(said)
    assert CANARY not in error
