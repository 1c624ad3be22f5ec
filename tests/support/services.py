"""Services as tests run them: in this process, or in processes of their own on real sockets."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from support.database import temporary_database
from wutang_auth.main import create_app
from wutang_auth.service.maintenance import Intervals
from wutang_auth.settings import Settings, load


@dataclass
class Instance:
    """A running service and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: Settings


Start = Callable[..., Awaitable[Instance]]
"""What the fixture `start` gives: it starts a service with other settings, given by keyword."""


@dataclass
class Process:
    """A service in a process of its own, on a real socket."""

    process: asyncio.subprocess.Process
    base_url: str
    log: Path

    def client(self) -> httpx.AsyncClient:
        """A client of it, with connections of its own."""
        limits = httpx.Limits(max_connections=30)
        return httpx.AsyncClient(base_url=self.base_url, timeout=20, limits=limits, verify=False)

    def kill(self) -> None:
        """As by kill -9."""
        self.process.kill()

    async def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


def environment_of(database_url: str, keys_file: Path, **settings: object) -> dict[str, str]:
    """The environment of a process with these settings, and none of this process's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WUTANG_")}
    given = {"database_url": database_url, "keys_file": keys_file, "drain_seconds": 0, **settings}
    return inherited | {f"WUTANG_{name.upper()}": str(value) for name, value in given.items()}


@asynccontextmanager
async def running(settings: Settings, *, intervals: Intervals = Intervals()) -> AsyncIterator[Instance]:
    """A service in this process."""
    app = create_app(settings, intervals=intervals)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in a context of its own, as a server does."""
        await asyncio.create_task(app(scope, receive, send))

    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(call)
        async with httpx.AsyncClient(transport=transport, base_url="http://wutang.test") as client:
            yield Instance(app, client, settings)


@asynccontextmanager
async def shared_among_tests(keys_file: Path, **changes: Any) -> AsyncIterator[Instance]:
    """A service in this process on a database of its own, for tests that change nothing in it that others mind."""
    async with temporary_database() as url:
        settings = load(Settings, _env_file=None, database_url=url, keys_file=keys_file, hash_workers=2, **changes)
        async with running(settings) as instance:
            yield instance


def serve_by_fastapi(instance: Instance) -> None:
    """Serve all routes in FastAPI's ordinary way, as it is where any dependency is overridden."""
    instance.app.dependency_overrides[serve_by_fastapi] = serve_by_fastapi  # which no route depends on


CLI = "from wutang_auth.cli import main; main()"


@asynccontextmanager
async def serving(
    environment: dict[str, str], log: Path, *arguments: str, program: str = CLI
) -> AsyncIterator[Process]:
    """`wutang-auth serve`, or a program that does the same, in a process of its own, on a free port."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, "serve", "--port", "0", *arguments,
            env=environment, stderr=output, stdout=output,
        )  # fmt: skip
    try:
        base_url = await asyncio.wait_for(_listening(log, process), 60)
        yield Process(process, base_url, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def _listening(log: Path, process: asyncio.subprocess.Process) -> str:
    read = log.read_text
    while process.returncode is None:
        if found := re.search(r"listening on (http://[0-9.]+:[0-9]+)", read()):
            async with httpx.AsyncClient(base_url=found[1], verify=False) as client:
                try:
                    if (await client.get("/healthz")).status_code == 200:
                        return found[1]
                except httpx.TransportError:
                    pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"the server ended: {read()}")
