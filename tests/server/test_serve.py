"""`wutang-auth serve`: real processes, how they start and how they stop."""

import asyncio
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from support.commands import run
from support.http import success
from support.services import Process, serving
from support.users import CREDENTIALS, add_user, log_in


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopped_server_exits_with_0(
    environment: dict[str, str], tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    async with serving(environment, tmp_path / "log", "--workers", str(workers)) as process:
        process.process.send_signal(number)
        assert await asyncio.wait_for(process.process.wait(), 20) == 0
    said = process.log.read_text()
    assert "Traceback" not in said
    assert "error" not in said.lower()


async def test_stop_is_announced_and_no_request_fails(environment: dict[str, str], tmp_path: Path) -> None:
    """Requests under way are answered, and until the drain is over new ones too; only `/readyz` says what is coming."""
    # so many logins at once are let through, however slow the machine is
    settings = {"WUTANG_DRAIN_SECONDS": "1.5", "WUTANG_THROTTLE_ACCOUNT_FAILURES": "100"}
    await add_user(environment["WUTANG_DATABASE_URL"])
    async with (
        serving(environment | settings, tmp_path / "log") as process,
        process.client() as client,
    ):
        login = await log_in(client)
        under_way = [asyncio.create_task(client.post("/api/auth/login", json=CREDENTIALS)) for _ in range(10)]
        await asyncio.sleep(0.02)
        process.process.send_signal(signal.SIGTERM)
        stopping = time.monotonic()
        while (await client.get("/readyz")).status_code != 503:
            assert time.monotonic() - stopping < 1.0
        while time.monotonic() - stopping < 1.0:
            success(await client.get("/api/auth/me", headers=login.headers))
            assert (await client.get("/healthz")).status_code == 200
        late = [asyncio.create_task(client.post("/api/auth/login", json=CREDENTIALS)) for _ in range(5)]
        for answer in await asyncio.gather(*under_way, *late):
            success(answer)
        assert await asyncio.wait_for(process.process.wait(), 20) == 0
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


async def test_second_signal_stops_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    async with serving(environment | {"WUTANG_DRAIN_SECONDS": "30"}, tmp_path / "log") as process:
        process.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert process.process.returncode is None
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.process.wait(), 10) == 0


async def test_killed_worker_is_replaced(environment: dict[str, str], tmp_path: Path) -> None:
    async with serving(environment, tmp_path / "log", "--workers", "2") as process:
        before = await until_workers(process, 2)
        os.kill(before[0], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while set(workers_of(process)) == set(before) or len(workers_of(process)) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        for _ in range(20):
            async with process.client() as client:
                assert (await client.get("/healthz")).status_code == 200
        assert await process.terminate() == 0


async def test_workers_do_not_outlive_a_killed_supervisor(environment: dict[str, str], tmp_path: Path) -> None:
    async with serving(environment, tmp_path / "log", "--workers", "2") as process:
        workers = await until_workers(process, 2)
        process.kill()
        await process.process.wait()
        deadline = time.monotonic() + 10
        while any(lives(pid) for pid in workers):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def workers_of(process: Process) -> list[int]:
    """The processes that answer: those that hold the listening socket."""
    pid = process.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def until_workers(process: Process, number: int) -> list[int]:
    deadline = time.monotonic() + 20
    while len(found := workers_of(process)) < number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return found


def lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:4]
    except FileNotFoundError:
        return False


async def test_server_starts_without_its_database(environment: dict[str, str], tmp_path: Path) -> None:
    away = environment | {"WUTANG_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    async with serving(away, tmp_path / "log") as process, process.client() as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.post("/api/auth/login", json=CREDENTIALS)).status_code == 503
        assert await process.terminate() == 0


async def test_another_server_can_serve_the_application(environment: dict[str, str], tmp_path: Path) -> None:
    """`uvicorn --factory wutang_auth.main:create_app`, as DESIGN has it."""
    await add_user(environment["WUTANG_DATABASE_URL"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uvicorn", "--factory", "wutang_auth.main:create_app", "--port", str(port),
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(200):
                try:
                    await client.get("/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            login = await log_in(client)
            success(await client.get("/api/auth/me", headers=login.headers))
    finally:
        process.terminate()
        await process.wait()


def test_another_server_gets_one_line_too(tmp_path: Path) -> None:
    import subprocess

    run = subprocess.run(
        [sys.executable, "-c", "from wutang_auth.main import create_app; create_app()"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert re.fullmatch(r"wutang-auth: WUTANG_DATABASE_URL is not set: .+\n", run.stderr)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_taken_port_is_one_line(environment: dict[str, str], workers: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment["WUTANG_LOG_LEVEL"] = "warning"
        refused = await run(environment, "serve", "--port", port, "--workers", workers)
    assert refused.error == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"


@pytest.mark.parametrize("host", ["203.0.113.1", "nowhere.invalid", "::ffff", "x y"])
async def test_host_that_is_not_ours_is_one_line(environment: dict[str, str], host: str) -> None:
    refused = await run(environment, "serve", "--port", "0", "--host", host)
    assert refused.error.startswith(f"cannot listen on {host}:0: ")


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--port", "x"], ["--workers", "0"], ["--reload"], ["extra"]], ids=" ".join
)
async def test_wrong_usage_exits_with_2(environment: dict[str, str], arguments: list[str]) -> None:
    wrong = await run(environment, "serve", *arguments)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "Usage: " in wrong.stderr
