"""What libraries promise to nobody and we use: it is there, and a version without it cannot be installed."""

import asyncio
import tomllib
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pytest
import uvicorn
from fastapi import FastAPI
from packaging.requirements import Requirement
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from uvicorn.supervisors import multiprocess

from wutang_auth.database import timestamps
from wutang_auth.fields import LATEST
from wutang_auth.server.http import Cycle
from wutang_auth.server.process import Server

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", ["asyncpg", "fastapi", "uvicorn"])
def test_library_has_an_upper_bound_that_admits_what_is_installed(name: str) -> None:
    [requirement] = [
        found for text in PYPROJECT["project"]["dependencies"] if (found := Requirement(text)).name == name
    ]
    assert "<" in {part.operator for part in requirement.specifier}
    assert requirement.specifier.contains(version(name))


async def test_protocol_of_uvicorn_has_what_server_http_overrides_and_reads() -> None:
    config = uvicorn.Config(FastAPI(), log_config=None)
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.on_message_begin()
    for name in ("flow", "headers", "logger", "parser", "transport", "url"):
        assert hasattr(protocol, name)
    for name in ("_unset_keepalive_if_required", "on_headers_complete", "on_message_complete", "send_400_response"):
        assert callable(getattr(protocol, name))


def test_protocol_of_uvicorn_makes_cycles_by_the_name_that_is_replaced() -> None:
    assert "RequestResponseCycle" in HttpToolsProtocol.on_headers_complete.__code__.co_names
    assert vars(httptools_impl)["RequestResponseCycle"] is Cycle
    for name in ("HEADER_RE", "HEADER_VALUE_RE", "STATUS_LINE"):
        assert hasattr(httptools_impl, name)


def test_server_of_uvicorn_has_what_server_process_overrides_and_reads() -> None:
    config = uvicorn.Config(FastAPI(), log_config=None)
    config.load()
    assert hasattr(config, "loaded_app")
    server = uvicorn.Server(config)
    assert server._captured_signals == []  # noqa: SLF001 -- what this file is for
    for name in ("capture_signals", "handle_exit", "on_tick", "run", "startup"):
        assert callable(getattr(server, name))


def test_supervisor_of_uvicorn_makes_servers_by_the_name_that_is_replaced() -> None:
    assert "Server" in vars(multiprocess.Process)["server"].fget.__code__.co_names
    assert vars(multiprocess)["Server"] is Server
    assert callable(multiprocess.Multiprocess.terminate_all)


def test_fastapi_tells_whether_it_traces() -> None:
    assert FastAPI()._native_telemetry.enabled() in (True, False)  # noqa: SLF001 -- what this file is for


async def test_connection_of_asyncpg_takes_a_codec_without_asking_the_server(server_url: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        timestamps.read_all(connection)
        assert (await connection.fetchval("SELECT timestamptz 'infinity'")) == LATEST
    finally:
        await connection.close()
