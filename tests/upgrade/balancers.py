"""HAProxy and nginx before two instances, as docs/upgrades.md has them."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from faults.cluster import free_port
from faults.stage import listens
from takeover.programs import running

PAGE = (Path(__file__).parents[2] / "docs" / "upgrades.md").read_text("utf-8")
_HAPROXY = """\
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port}
    default_backend auth
{block}
"""
_NGINX = """\
daemon off;
{user}
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {block}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://auth;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def _block(language: str, ports: Sequence[int], readiness: str) -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = dict(zip(("8001", "8002"), ports, strict=True))
    block = re.sub(r"\b800[12]\b", lambda found: str(shown[found[0]]), block)
    return block.replace("GET /readyz", f"GET {readiness}")


@asynccontextmanager
async def balancer(name: str, directory: Path, ports: Sequence[int], *, readiness: str) -> AsyncIterator[int]:
    """The port of a balancer before these, for as long as the block runs."""
    port = free_port()
    configuration = directory / f"{name}.conf"
    template = {"haproxy": _HAPROXY, "nginx": _NGINX}[name]
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(template.format(port=port, user=user, block=_block(name, ports, readiness)))
    arguments = {
        "haproxy": ["-db", "-f", configuration],
        "nginx": ["-p", directory, "-e", "stderr", "-c", configuration],
    }[name]
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, f"{name} is not installed; `make upgrade` installs it"
    async with running(program, *arguments, log=directory / f"{name}.log"):
        while not await listens(port):  # noqa: ASYNC110 -- the event is in another process
            await asyncio.sleep(0.05)
        yield port
