"""The URL of PostgreSQL: what may stand in it, what of it is kept, and what it says about other settings.

asyncpg sends what it does not know to the server as a setting, and the server then refuses every connection. So each
parameter is kept, dropped because it means nothing here, or refused by its name.
"""

import getpass
import os
import re
import ssl
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "read-write"),  # the service writes; it takes no standby for a primary
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gsslib": ("gssapi", "sspi"),
}
_TRUE, _FALSE = ("1", "true", "t", "yes", "on"), ("0", "false", "f", "no", "off")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

# What asyncpg takes, and what PostgreSQL takes as a setting of the connection.
_KEPT = {
    "host", "port", "user", "password", "dbname", "database", "passfile", "service", "sslmode", "sslnegotiation",
    "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "ssl_min_protocol_version",
    "ssl_max_protocol_version", "krbsrvname", "gsslib", "target_session_attrs",
    "application_name", "options", "search_path", "role", "timezone", "TimeZone", "jit", "work_mem", "lc_messages",
    "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
    "transaction_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count",
    "tcp_user_timeout", "client_connection_check_interval",
}  # fmt: skip

# Of libpq, of other drivers and of providers: how a client waits, pools, names or caches, which the service does by
# settings and rules of its own.
_DROPPED = {
    "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "load_balance_hosts", "sslcompression", "max_protocol_version", "reconnect", "encoding", "supa", "uselibpqcompat",
    "sslfactory", "socket_timeout", "socketTimeout", "command_timeout", "pool_min_conns", "min_pool_size",
    "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period", "pool_recycle", "conn_max_age",
    "conn_health_checks", "max_idle_connection_lifetime", "idle_timeout", "description_cache_capacity",
    "timeout", "checkout_timeout", "binary_parameters", "max_cached_statement_lifetime", "max_cacheable_statement_size",
}  # fmt: skip

# What is harmless with these values, and cannot be kept with others.
_HARMLESS: dict[str, tuple[str, ...]] = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": _FALSE,
    "replication": _FALSE,
    "sslsni": _TRUE,
    "sslcertmode": ("allow",),
    "sslaccept": ("accept_invalid_certs",),
    "min_protocol_version": ("3.0",),
    "client_encoding": ("auto", "utf8", "utf-8", "unicode"),
    "datestyle": ("iso",),
    "require_auth": (),
    "requirepeer": (),
    "sslcrldir": (),
    "sslkeylogfile": (),
    "sslidentity": (),
    "servicefile": (),
    "scram_client_key": (),
    "scram_server_key": (),
    "oauth_issuer": (),
    "oauth_client_id": (),
    "oauth_client_secret": (),
    "oauth_scope": (),
}


def _seconds(text: str) -> float | None:
    """A time limit in whole seconds, of which 0 means none: that is left to our own setting, which has a maximum."""
    if not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]+)?", text):
        raise ValueError("must be a number of seconds")
    return min(float(text), 60.0) if float(text) > 0 else None


def _connections(text: str) -> int | None:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a number of connections")
    return min(int(text), 1000) or None


def _off_where(*values: str) -> Callable[[str], bool | None]:
    return lambda text: False if text.lower() in values else None


_PREPARED = "db_prepared_statements"

# What says the same as a setting of ours, which outranks it.
_IMPLIED: dict[str, tuple[str, Callable[[str], float | None]]] = {
    "connect_timeout": ("db_connect_timeout", _seconds),
    "pool_timeout": ("db_pool_timeout", _seconds),
    "connection_limit": ("db_pool_size", _connections),
    "pool_max_conns": ("db_pool_size", _connections),
    "max_pool_size": ("db_pool_size", _connections),
    "pool_size": ("db_pool_size", _connections),
    "pool": ("db_pool_size", _connections),
    "pgbouncer": (_PREPARED, _off_where(*_TRUE)),
    "prepared_statements": (_PREPARED, _off_where(*_FALSE)),
    "prepareThreshold": (_PREPARED, _off_where("0")),
    "statement_cache_size": (_PREPARED, _off_where("0")),
    "prepared_statement_cache_size": (_PREPARED, _off_where("0")),
    "statement_cache_capacity": (_PREPARED, _off_where("0")),
    "default_query_exec_mode": (_PREPARED, _off_where("exec", "simple_protocol", "cache_describe", "describe_exec")),
}

# What others call what is kept.
_OTHER_NAMES = {"schema": "search_path", "currentSchema": "search_path", "ApplicationName": "application_name"}
_OTHERS = ("hostaddr", "ssl", "requiressl", *_OTHER_NAMES)


def checked_url(value: SecretStr) -> SecretStr:
    """The URL as asyncpg takes it, of what libpq, other drivers and providers write.

    Raises:
        ValueError: what asyncpg would find wrong only when a request needs a connection.
    """
    url = value.get_secret_value()
    found = re.fullmatch(r"(postgres(?:ql)?)(?:\+\w+)?(://[^\s\x00]*)", url)  # +asyncpg and such are SQLAlchemy's
    if found is None:
        raise ValueError("must be a URL that begins with postgresql://, without spaces")
    url = f"{found[1]}{found[2]}"
    authority = re.split("[/?#]", found[2][3:])[0]
    hosts = authority.rpartition("@")[2]
    if "," in hosts and "[" in hosts:
        # Python's parser takes that in some versions only
        raise ValueError(
            "of several hosts with IPv6 addresses must be like postgresql://user@/db?host=a,[::1]&port=1,2"
        )
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query))
    except ValueError:
        raise ValueError("must be a URL; percent-encode what is special in its password") from None
    if parts.fragment or ("@" in parts.query and "@" not in authority):
        raise ValueError("must be a URL; percent-encode what is special in its password")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")] + given.get("port", "").split(",")
    if any(port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 2**16) for port in ports):
        raise ValueError("its port must be a number; percent-encode what is special in its password")
    kept = _kept(given)
    _check_user(authority, kept)
    if kept != given:
        query = urlencode(kept, quote_via=quote)
        url = url.partition("?")[0] + (f"?{query}" if query else "")
    return SecretStr(url)


def implied_settings(url: str) -> dict[str, float]:
    """The settings about which a URL says something, by the names of their fields.

    Raises:
        ValueError: it says something that is no value.
    """
    try:
        given = dict(parse_qsl(urlsplit(url).query))
    except ValueError:
        return {}  # the URL's own check says what is wrong with it
    found = {}
    for name, (setting, read) in _IMPLIED.items():
        if name in given:
            try:
                value = read(given[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            if value is not None:
                found[setting] = value
    return found


def _kept(given: Mapping[str, str]) -> dict[str, str]:
    """The parameters for asyncpg.

    Raises:
        ValueError: one that cannot be kept, or that nobody knows; never with its value.
    """
    kept: dict[str, str] = {}
    for name, text in given.items():
        if name in _HARMLESS:
            if text.lower() not in _HARMLESS[name]:
                raise ValueError(_cannot_be_kept(name))
        elif name in _OTHER_NAMES:
            kept.setdefault(_OTHER_NAMES[name], text)
        elif name in _KEPT:
            kept[name] = text
        elif name not in _DROPPED and name not in _IMPLIED and name not in _OTHERS:
            raise ValueError(_unknown(name))
    _read_ssl(given, kept)
    _read_hostaddr(given, kept)
    for name, choices in _CHOICES.items():
        if kept.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}")
    if kept.get("search_path") == "public":
        del kept["search_path"]  # what it is by itself; a pooler would refuse to be told
    return kept


def _cannot_be_kept(name: str) -> str:
    harmless = _HARMLESS[name]
    remedy = f"only {' and '.join(harmless[:2])} can" if harmless else "remove it"
    if name == "sslaccept":
        remedy = "write sslmode=verify-full"
    return f"what its parameter {name} asks for cannot be kept here; {remedy}"


def _unknown(name: str) -> str:
    known = [*_KEPT, *_DROPPED, *_HARMLESS, *_IMPLIED, *_OTHERS]
    nearest = get_close_matches(name, known, 1)
    shown = name[:40] if name.isprintable() else "of control characters"
    return f"its parameter {shown} is not known" + "".join(f"; did you mean {near}?" for near in nearest)


def _read_ssl(given: Mapping[str, str], kept: dict[str, str]) -> None:
    """What other drivers call sslmode, and the certificates of the system."""
    for name in ("ssl", "requiressl"):
        text = given.get(name, "").lower()
        if text and "sslmode" not in kept:
            kept["sslmode"] = "require" if text in _TRUE else "disable" if text in _FALSE else text
            if kept["sslmode"] not in _CHOICES["sslmode"]:
                raise ValueError(f"{name} must be true or false")
    if kept.get("sslrootcert") == "system":  # libpq's word since PostgreSQL 16, which asks for verify-full
        if kept.setdefault("sslmode", "verify-full") != "verify-full":
            raise ValueError("sslrootcert=system needs sslmode=verify-full")
        bundles = [path for path in (ssl.get_default_verify_paths().cafile, *_BUNDLES) if path and Path(path).is_file()]
        if not bundles:
            raise ValueError("this system has no certificates for sslrootcert=system; name a file")
        kept["sslrootcert"] = bundles[0]


def _read_hostaddr(given: Mapping[str, str], kept: dict[str, str]) -> None:
    """The address to connect to, with the host as the name in its certificate, which asyncpg cannot tell apart."""
    if "hostaddr" in given:
        if kept.get("sslmode") == "verify-full":
            raise ValueError("hostaddr and sslmode=verify-full cannot be kept together; remove hostaddr")
        kept["host"] = given["hostaddr"]


def _check_user(authority: str, kept: Mapping[str, str]) -> None:
    if unquote(authority.rpartition("@")[0].partition(":")[0]) or kept.get("user") or os.environ.get("PGUSER"):
        return
    if "service" in kept:
        return
    try:
        getpass.getuser()
    except (KeyError, OSError):
        raise ValueError("it names no user, and the user of this process has no name") from None
