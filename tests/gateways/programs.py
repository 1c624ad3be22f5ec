"""The gateways themselves: real programs with the configurations of deploy/gateways, on ports of the tests' own."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateways.wire import connected

CONFIGURATIONS = Path(__file__).parents[2] / "deploy" / "gateways"
BINARIES = CONFIGURATIONS / ".venv" / "bin"

_NGINX_GLOBALS = "daemon off; pid nginx.pid;" + ("user root;" if os.geteuid() == 0 else "")
_ENVOY: list[str] = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
# what nginx was built to keep below /var
_NGINX_FILES = "http {\naccess_log off;" + "".join(
    f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)

# asks for a proof of who it is within the last 300 s, as the page says; the logins here are all as fresh, but for one
_FRESH = {
    "nginx": (r"X-Required-Scopes \$required_scopes;", r"\g<0> proxy_set_header X-Max-Age 300;"),
    "envoy": (
        " +(?=authorization_response:)",
        r"""\g<0>authorization_request: { headers_to_add: [{ key: x-max-age, value: "300" }] }\n\g<0>""",
    ),
}
_FRESH_BY_QUERY = ("required_scope=orders:write", r"\g<0>&max_age=300")


@dataclass(frozen=True)
class Kind:
    """A way to protect a service."""

    folder: str
    file: str
    command: Callable[[str], list[str]]
    """What follows the program's name, given the file."""


KINDS = {
    "nginx": Kind("nginx", "nginx.conf", lambda file: ["-p", ".", "-e", "stderr", "-c", file, "-g", _NGINX_GLOBALS]),
    "haproxy": Kind("haproxy", "haproxy.cfg", lambda file: ["-db", "-f", file]),
    "envoy": Kind("envoy", "envoy.yaml", lambda file: [*_ENVOY, "-c", file]),
    "traefik": Kind("traefik", "traefik.yaml", lambda file: [f"--configFile={file}"]),
    "caddy": Kind("caddy", "Caddyfile", lambda file: ["run", "--adapter", "caddyfile", "--config", file]),
    "haproxy-offline": Kind("haproxy", "offline.cfg", lambda file: ["-db", "-f", file]),
    "envoy-offline": Kind("envoy", "offline.yaml", lambda file: [*_ENVOY, "-c", file]),
}


@contextmanager
def running(kind: Kind, directory: Path, ports: dict[str, int]) -> Iterator[None]:
    """A gateway, from a copy of its folder in which other ports stand for those of the documentation."""
    for path in (CONFIGURATIONS / kind.folder).iterdir():
        if path.is_file():
            text = re.sub(r"\b(8080|8000|9000)\b", lambda found: str(ports[found[1]]), path.read_text("utf-8"))
            text = re.sub(*_FRESH.get(kind.folder, _FRESH_BY_QUERY), text)
            (directory / path.name).write_text(text.replace("http {", _NGINX_FILES) if kind.folder == "nginx" else text)
    program = shutil.which(kind.folder, path=f"{BINARIES}:{os.environ['PATH']}:/usr/sbin")
    assert program is not None, f"{kind.folder} is not installed; `make gateways` installs it"
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *kind.command(str(directory / kind.file))],
            cwd=directory, stdout=output, stderr=output, env=os.environ | {"HOME": str(directory)},
        )  # fmt: skip
    try:
        _await_listening(ports["8080"], process, log)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _await_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with connected(port):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the gateway does not listen: {log.read_text('utf-8', 'replace')}")
