"""nginx, which sends everything to one of two services, and mirrors logouts to the other one."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from takeover.programs import free_port, running

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
_CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream laravel {{ server 127.0.0.1:{laravel}; keepalive 32; }}
    upstream wutang {{ server 127.0.0.1:{wutang}; keepalive 32; }}
    include {directory}/current.conf;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        location / {{ proxy_pass http://$current; }}
        location = /api/auth/logout {{
            mirror /_other;
            proxy_pass http://$current;
        }}
        location = /_other {{
            internal;
            proxy_pass http://$other$request_uri;
        }}
    }}
}}
"""


class Gateway:
    """A running nginx."""

    def __init__(self, directory: Path, laravel: int, wutang: int) -> None:
        self.directory = directory
        self.port = free_port()
        self.side = "laravel"
        self._configuration = directory / "nginx.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                directory=directory,
                laravel=laravel,
                wutang=wutang,
                port=self.port,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        self._choose("laravel")

    async def switch(self, side: str) -> None:
        """Send everything to `laravel` or `wutang` from now on: what is under way is finished where it is."""
        self._choose(side)
        process = await asyncio.create_subprocess_exec(NGINX, "-c", self._configuration, "-s", "reload")
        assert await process.wait() == 0
        self.side = side

    def _choose(self, side: str) -> None:
        other = {"laravel": "wutang", "wutang": "laravel"}[side]
        (self.directory / "current.conf").write_text(
            f"map $host $current {{ default {side}; }}\nmap $host $other {{ default {other}; }}\n"
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        """For as long as the block runs."""
        log = self.directory / "nginx-output.log"
        async with running(NGINX, "-c", self._configuration, "-e", self.directory / "nginx.log", log=log):
            yield self
