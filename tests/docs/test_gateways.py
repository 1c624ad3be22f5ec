"""The configurations of gateways agree with each other, with the page about them, and with what is set by default."""

import re
from pathlib import Path

import pytest

from wutang_auth.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "gateways"
PAGE = (ROOT / "docs" / "behind-a-gateway.md").read_text("utf-8")
ASKING = ["nginx/nginx.conf", "haproxy/haproxy.cfg", "envoy/envoy.yaml", "traefik/*.yaml", "caddy/Caddyfile"]
OFFLINE = ["haproxy/offline.cfg", "envoy/offline.yaml"]


def text_of(pattern: str) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(FOLDER.glob(pattern)))


def default(name: str) -> str:
    return str(Settings.model_fields[name].default)


def test_each_file_is_linked_from_the_page() -> None:
    files = {
        path.relative_to(ROOT) for folder in FOLDER.iterdir() if folder.name != ".venv" for path in folder.glob("*")
    }
    assert len(files) >= 10
    assert [path for path in sorted(files) if f"](../{path})" not in PAGE and path.suffix != ".pem"] == []


@pytest.mark.parametrize("pattern", ASKING + OFFLINE)
def test_each_has_the_same_places_and_the_same_scope(pattern: str) -> None:
    text = text_of(pattern)
    assert set(re.findall(r"(?<=[:\s])\d{4}\b(?!\))", text)) >= {"8080", "8000", "9000"}
    for word in ("/write", "orders:write", "/api/auth/", "/.well-known/", "docs/behind-a-gateway.md", "SECURITY"):
        assert word in text


@pytest.mark.parametrize("pattern", ASKING + OFFLINE)
def test_each_removes_the_identity_that_clients_claim(pattern: str) -> None:
    text = text_of(pattern).lower()
    names = ("user-id", "session-id", "scopes", "required-scopes")
    assert "x-(user-id|session-id|scopes|required-scopes)" in text or all(f"x-{name}" in text for name in names)


@pytest.mark.parametrize("pattern", ["nginx/nginx.conf", "envoy/envoy.yaml", "traefik/*.yaml", "caddy/Caddyfile"])
def test_each_closes_idle_connections_before_the_service_does(pattern: str) -> None:
    idle = re.findall(r"(?:keepalive_timeout|idle_timeout:|idleConnTimeout:|keepalive) (\d+)s", text_of(pattern))
    assert idle
    assert max(map(int, idle)) < int(default("keep_alive"))


def test_each_waits_longer_for_an_answer_than_the_service_for_its_database() -> None:
    waits = {
        "nginx": re.search(r"proxy_read_timeout (\d+)s;  # the service", text_of("nginx/nginx.conf")),
        "haproxy": re.search(r"timeout = (\d+)000,", text_of("haproxy/verify.lua")),
        "envoy": re.search(
            r"cluster: auth, timeout: (\d+)s", text_of("envoy/envoy.yaml").partition("ext_authz.v3.ExtAuthz\n")[2]
        ),
        "caddy": re.search(r"response_header_timeout (\d+)s # the service", text_of("caddy/Caddyfile")),
    }
    assert {name: int(found[1]) for name, found in waits.items() if found} == dict.fromkeys(waits, 6)
    assert float(default("db_request_timeout")) < 6


@pytest.mark.parametrize("pattern", OFFLINE)
def test_those_that_do_not_ask_compare_with_the_defaults(pattern: str) -> None:
    text = text_of(pattern)
    for name in ("issuer", "audience"):
        assert re.search(rf"{name}.*\b{default(name)}\b", text)
