"""Kind 1 of the field cases: what stands in a URL of PostgreSQL as providers, drivers and libpq write it."""

from pathlib import Path
from urllib.parse import quote

import pytest

from support.commands import Shell
from support.database import query
from wutang_auth.database import Database, Statement
from wutang_auth.settings import DatabaseSettings, load

CANARY = "canary"
FORGED = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def no_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set but by the test."""
    monkeypatch.chdir(tmp_path)


def settings_of(url: str) -> DatabaseSettings:
    return load(DatabaseSettings, database_url=url)


def kept(parameters: str) -> str:
    """What asyncpg gets of these parameters."""
    return settings_of(f"postgresql://u@h/d?{parameters}").database_url.get_secret_value().partition("?")[2]


DROPPED = [
    "channel_binding=prefer",  # Neon
    "channel_binding=disable",
    "connect_timeout=10",
    "gssencmode=disable",  # psycopg on macOS
    "gssencmode=prefer",
    "pgbouncer=true",  # Prisma
    "pgbouncer=true&connection_limit=1&pool_timeout=0",
    "fallback_application_name=x",
    "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5",  # libpq
    "schema=public",  # Prisma
    "sslsni=1&sslcompression=0&load_balance_hosts=disable&replication=false&client_encoding=utf8",  # libpq
    "pool=5&prepared_statements=false&encoding=unicode&reconnect=true&checkout_timeout=5",  # Rails
    "supa=base-pooler.x&pgbouncer=true",  # Supabase
    "uselibpqcompat=true",  # node-postgres
    "pool_max_conns=10&pool_min_conns=1&default_query_exec_mode=simple_protocol",  # pgx
    "prepared_statement_cache_size=0",  # SQLAlchemy
    "prepareThreshold=0&socketTimeout=30",  # JDBC
    "conn_max_age=600",  # Django
]


@pytest.mark.parametrize("parameters", DROPPED, ids=lambda parameters: f"1: {parameters}")
async def test_1_parameter_that_means_nothing_here_is_dropped(parameters: str, database_url: str) -> None:
    assert kept(parameters) == ""
    listed = await Shell({"WUTANG_DATABASE_URL": f"{database_url}&{parameters}"})("users list --json")
    assert listed.document == []


@pytest.mark.parametrize(
    ("parameters", "for_asyncpg"),
    [
        ("sslmode=require&channel_binding=prefer", "sslmode=require"),
        ("ssl=require", "sslmode=require"),
        ("ssl=true", "sslmode=require"),
        ("ssl=0", "sslmode=disable"),
        ("requiressl=1", "sslmode=require"),
        ("ssl=true&sslmode=verify-full", "sslmode=verify-full"),
        ("schema=shop", "search_path=shop"),
        ("options=endpoint%3Dep-cool-1", "options=endpoint%3Dep-cool-1"),
        ("ApplicationName=x", "application_name=x"),
        ("hostaddr=192.0.2.7&sslmode=require", "sslmode=require&host=192.0.2.7"),
        ("target_session_attrs=primary", "target_session_attrs=primary"),
    ],
    ids="1: {}".format,
)
def test_1_parameter_is_kept(parameters: str, for_asyncpg: str) -> None:
    assert kept(parameters) == for_asyncpg


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2", "pg8000"])
def test_1_driver_of_sqlalchemy_is_not_minded(driver: str) -> None:
    assert settings_of(f"postgresql+{driver}://u@h/d").database_url.get_secret_value() == "postgresql://u@h/d"


def test_1_certificates_of_the_system_are_found() -> None:
    url = settings_of("postgresql://u@h/d?sslrootcert=system").database_url.get_secret_value()
    assert url.startswith("postgresql://u@h/d?sslrootcert=%2F")
    assert url.endswith("&sslmode=verify-full")


REFUSED = {
    "channel_binding=require": "what its parameter channel_binding asks for cannot be kept here; only disable and",
    "gssencmode=require": "what its parameter gssencmode asks for cannot be kept here",
    f"require_auth={CANARY}": "what its parameter require_auth asks for cannot be kept here",
    f"requirepeer={CANARY}": "what its parameter requirepeer asks for cannot be kept here",
    "sslsni=0": "what its parameter sslsni asks for cannot be kept here",
    "min_protocol_version=3.2": "what its parameter min_protocol_version asks for cannot be kept here",
    "client_encoding=latin1": "what its parameter client_encoding asks for cannot be kept here",
    "sslaccept=strict": "what its parameter sslaccept asks for cannot be kept here; write sslmode=verify-full",
    f"sslmod={CANARY}": "its parameter sslmod is not known; did you mean sslmode?",
    f"chanel_binding={CANARY}": "its parameter chanel_binding is not known; did you mean channel_binding?",
    f"zzz={CANARY}": "its parameter zzz is not known",
    "target_session_attrs=standby": "target_session_attrs must be one of",
    f"sslnegotiation={CANARY}": "sslnegotiation must be one of",
    f"ssl_min_protocol_version={CANARY}": "ssl_min_protocol_version must be one of",
    f"ssl={CANARY}": "ssl must be true or false",
    f"connect_timeout={CANARY}": "connect_timeout must be a number of seconds",
    f"connection_limit={CANARY}": "connection_limit must be a number of connections",
    "sslrootcert=system&sslmode=require": "sslrootcert=system needs sslmode=verify-full",
    "hostaddr=192.0.2.7&sslmode=verify-full": "hostaddr and sslmode=verify-full cannot be kept together",
}


@pytest.mark.parametrize("parameters", REFUSED, ids=lambda parameters: f"1: {parameters}")
async def test_1_parameter_that_cannot_be_kept_or_is_not_known_stops_in_one_line(parameters: str) -> None:
    environment = {"WUTANG_DATABASE_URL": f"postgresql://u:{CANARY}@h/d?{parameters}"}
    for command in ("migrate", "users list"):
        error = (await Shell(environment)(command)).error
        assert error.startswith(f"WUTANG_DATABASE_URL: {REFUSED[parameters]}")
        assert CANARY not in error


async def test_1_serve_stops_in_one_line(environment: dict[str, str]) -> None:
    url = f"{environment['WUTANG_DATABASE_URL']}&channel_binding=require"
    stopped = await Shell({**environment, "WUTANG_DATABASE_URL": url})("serve --port 0")
    assert stopped.error.startswith("WUTANG_DATABASE_URL: what its parameter channel_binding asks for cannot be kept")


@pytest.mark.parametrize(
    ("parameters", "name", "value"),
    [
        ("pgbouncer=true", "db_prepared_statements", False),
        ("pgbouncer=false", "db_prepared_statements", True),
        ("prepareThreshold=0", "db_prepared_statements", False),
        ("connect_timeout=10", "db_connect_timeout", 10.0),
        ("connect_timeout=0", "db_connect_timeout", 2.0),
        ("connect_timeout=600", "db_connect_timeout", 60.0),
        ("connection_limit=7", "db_pool_size", 7),
        ("pool_timeout=20", "db_pool_timeout", 20.0),
    ],
    ids="1: {}".format,
)
def test_1_url_says_something_of_our_settings_which_outrank_it(
    parameters: str, name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://u@h/d?{parameters}"
    assert getattr(settings_of(url), name) == value
    given: float = True if isinstance(value, bool) else 3
    monkeypatch.setenv(f"WUTANG_{name.upper()}", str(given))
    assert getattr(settings_of(url), name) == given


def test_1_url_outranks_the_defaults_of_commands() -> None:
    defaults = {"db_connect_timeout": 5.0}
    url = "postgresql://u@h/d?connect_timeout=9"
    assert load(DatabaseSettings, defaults=defaults, database_url=url).db_connect_timeout == 9


async def test_1_application_name_of_the_url_is_what_the_server_shows(database_url: str) -> None:
    url = settings_of(f"{database_url}&application_name=shop").database_url.get_secret_value()
    database = Database(url)
    row = await database.fetchrow(Statement("SELECT current_setting('application_name')"))
    await database.close()
    assert row is not None
    assert row[0] == "shop"


async def test_1_schema_of_the_url_is_where_the_tables_are(empty_database_url: str) -> None:
    await query(empty_database_url, "CREATE SCHEMA shop")
    shell = Shell({"WUTANG_DATABASE_URL": f"{empty_database_url}&schema=shop"})
    assert (await shell("migrate")).code == 0
    assert (await shell("users list --json")).document == []
    [[number]] = await query(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'shop'")
    assert number >= 4


# -- files


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslcrl"])
async def test_1_file_of_the_url_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    """FileNotFoundError is no explanation."""
    path = tmp_path / "none.pem"
    url = f"postgresql://u:{CANARY}@127.0.0.1:1/d?sslmode=verify-ca&sslrootcert={certificates()}&{name}={path}"
    for command in ("migrate", "users list"):
        error = (await Shell({"WUTANG_DATABASE_URL": url})(command)).error
        assert f"{name} of WUTANG_DATABASE_URL: the file {path} cannot be read: No such file or directory" in error
        assert CANARY not in error


async def test_1_file_that_is_no_certificate_is_words(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(FORGED)
    url = f"postgresql://u@127.0.0.1:1/d?sslmode=verify-ca&sslrootcert={tmp_path / 'ca.pem'}"
    error = (await Shell({"WUTANG_DATABASE_URL": url})("users list")).error
    assert "TLS failed: " in error
    assert "Error" not in error


async def test_1_password_file_of_the_url_is_read(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "passfile").write_text("*:*:*:*:secret\n")
    (tmp_path / "passfile").chmod(0o600)
    url = f"{database_url}&passfile={quote(str(tmp_path / 'passfile'))}"
    assert (await Shell({"WUTANG_DATABASE_URL": url})("users list --json")).document == []


def certificates() -> str:
    """The file of the system's certificates."""
    [found] = [part for part in kept("sslrootcert=system").split("&") if part.startswith("sslrootcert=")]
    return found.partition("=")[2]
