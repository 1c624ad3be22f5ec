"""A primary that is lost, and restored from a base backup and its write-ahead log: docs/backup.md's restore to want."""

import asyncio
import time

import pytest

from faults.cluster import Server
from faults.stage import Report, SetStage

pytestmark = pytest.mark.long


async def test_recovery_to_the_end_of_the_log_keeps_every_log_out(stage: SetStage, report: Report) -> None:
    scene = await stage(direct=True)
    log_files = scene.primary.directory / "pg_wal"
    restored = Server(scene.directory / "restored", scene.primary.password, restore_command=f"cp {log_files}/%f %p")
    scene.exits.push_async_callback(restored.stop)
    async with scene.load() as load:
        await load.serve()
        await restored.back_up(scene.primary)
        await load.serve()
        await asyncio.sleep(3)  # for log-outs that the backup has not
        await scene.primary.kill()
        (restored.directory / "recovery.signal").touch()
        restored.port = scene.primary.port
        await restored.start()
        recovered = await load.recover(time.monotonic())
    report("restored to the end of the log", load, recovered)
