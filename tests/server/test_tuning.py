"""The processes of the server are tuned for it, and no other process is."""

import gc
import os
from pathlib import Path

import httpx

from support.services import Instance, running, serving
from support.users import add_user, log_in
from wutang_auth.passwords.workers import Passwords
from wutang_auth.settings import Settings

# `serve` with one route more, which tells of the process
_PROGRAM = """
import gc
from wutang_auth.server import process
from wutang_auth.settings import Settings, load
settings = load(Settings)
app = process.create_app(settings)
app.get("/collector")(lambda: [gc.get_threshold()[0], gc.get_freeze_count()])
listener = process.bind("127.0.0.1", 0)
print("listening on http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
process.run(settings, listener, app=app)
"""


async def test_server_collects_seldom_and_not_what_it_started_with(environment: dict[str, str], tmp_path: Path) -> None:
    async with (
        serving(environment, tmp_path / "log", program=_PROGRAM) as process,
        httpx.AsyncClient(base_url=process.base_url) as client,
    ):
        threshold, frozen = (await client.get("/collector")).json()
    assert threshold > 700
    assert frozen > 10_000


async def test_threads_that_hash_leave_the_processor_to_the_event_loop(
    environment: dict[str, str], tmp_path: Path
) -> None:
    await add_user(environment["WUTANG_DATABASE_URL"])
    async with serving(environment, tmp_path / "log") as process:
        async with httpx.AsyncClient(base_url=process.base_url) as client:
            await log_in(client)
        own, *others = niceness_of_threads(process.process.pid)
    assert set(others) <= {own, own + 10}
    assert own + 10 in others


def niceness_of_threads(pid: int) -> list[int]:
    """That of the main thread first."""
    tasks = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    return [int((task / "stat").read_text().rpartition(")")[2].split()[16]) for task in tasks]


async def test_application_without_the_server_changes_nothing_of_its_process(settings: Settings) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    async with running(settings) as instance:
        assert isinstance(instance, Instance)
        passwords = Passwords(workers=1, queue=1)
        await passwords.hash("seven small violet umbrellas")
        assert len(set(niceness_of_threads(os.getpid()))) == 1
        passwords.close()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


async def test_idle_connection_is_kept_for_so_long(environment: dict[str, str], tmp_path: Path) -> None:
    async with (
        serving(environment | {"WUTANG_KEEP_ALIVE": "1"}, tmp_path / "log") as process,
        httpx.AsyncClient(base_url=process.base_url) as client,
    ):
        async with client.stream("GET", "/healthz") as answer:
            await answer.aread()
            stream = answer.extensions["network_stream"]
        assert await stream.read(1, timeout=10) == b""
