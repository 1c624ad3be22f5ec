"""A flood of wrong passwords: those who are logged in are served throughout, and the surplus is refused unhashed.

How much slower the others become is printed beside its goal, and decides nothing: these figures are the machine's too.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.clients import Connection
from faults.stage import EMAILS, SetStage, Stage
from support.users import PASSWORD

pytestmark = pytest.mark.long

CONNECTIONS = 50
GOAL_SLOWED = 3.0  # times
GOAL_WITHIN = 0.1  # seconds
MOST_MEGABYTES = 200


@pytest.mark.parametrize(
    ("way", "surplus", "seconds", "settings"),
    [
        # the throttle refuses nearly all
        ("one-account", "429", 20, {}),
        # the throttle refuses none, and the queue for hashing has room for all
        ("spray", None, 10, {}),
        # the throttle refuses none, and the queue is full
        ("spray", "503", 10, {"hash_queue": 8}),
    ],
)
async def test_flood_of_wrong_passwords(  # noqa: PLR0917 -- pytest names them
    stage: SetStage,
    record_property: Callable[[str, object], None],
    way: str,
    surplus: str | None,
    seconds: int,
    settings: dict[str, int],
) -> None:
    scene = await stage(
        direct=True, instances=1, db_pool_size=32, trusted_proxies="127.0.0.0/8", throttle_account_failures=10,
        throttle_address_failures=100, **settings,
    )  # fmt: skip
    token = await logged_in(scene)
    await looking(scene, token, 1)
    quiet = percentile(await looking(scene, token, 4), 0.99)
    flood = asyncio.create_task(flooding(scene, seconds, way))
    await asyncio.sleep(1)
    busy = percentile(await looking(scene, token, seconds - 2), 0.99)
    answers = await flood
    within = percentile(answers[surplus], 0.99) if surplus else 0.0
    megabytes = memory(scene)
    counts = ", ".join(f"{len(took)} × {status}" for status, took in sorted(answers.items()))
    record_property(
        "measured",
        f"flood ({way} {settings or ''}): /me p99 {quiet * 1000:.1f} ms quiet, {busy * 1000:.1f} ms in the flood "
        f"({busy / quiet:.1f} ×, goal {GOAL_SLOWED:.0f}); {counts}"
        + (f"; {surplus} p99 {within * 1000:.0f} ms (goal {GOAL_WITHIN * 1000:.0f})" if surplus else "")
        + f"; {megabytes} MB at most",
    )
    assert set(answers) <= {"401", surplus}
    assert megabytes < MOST_MEGABYTES
    if surplus:
        # what is refused is not hashed: there is far more of it than this machine could hash
        assert len(answers[surplus]) > 5 * len(answers["401"])


async def logged_in(scene: Stage) -> str:
    connection = Connection(scene.ports[0])
    body = {"email": EMAILS[1], "password": PASSWORD}
    answer = await connection.call("POST", "/api/auth/login", body=body, headers={"X-Forwarded-For": "198.51.100.1"})
    connection.close()
    return str(answer.document["data"]["access_token"])


async def looking(scene: Stage, token: str, seconds: float) -> list[float]:
    """What each `/me` took, on four connections with a pause between requests."""
    took = []
    end = time.monotonic() + seconds

    async def look() -> None:
        connection = Connection(scene.ports[0])
        while time.monotonic() < end:
            begun = time.monotonic()
            assert (await connection.call("GET", "/api/auth/me", token=token)).status == 200
            took.append(time.monotonic() - begun)
            await asyncio.sleep(0.005)
        connection.close()

    await asyncio.gather(*(look() for _ in range(4)))
    return took


async def flooding(scene: Stage, seconds: float, way: str) -> dict[str, list[float]]:
    """What each answer of the flood took, by its status."""
    tests = Path(__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(tests / "faults" / "flood.py"), str(scene.ports[0]), str(CONNECTIONS), str(seconds), way,
        env={**os.environ, "PYTHONPATH": str(tests)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    answers: dict[str, list[float]] = json.loads(output)
    return answers


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def memory(scene: Stage) -> int:
    """The most that the service ever had in memory, in megabytes; what it has now, where the system keeps no record."""
    pid = scene.services[scene.ports[0]].process.pid
    if sys.platform != "linux":
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) // 1024
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024
