"""The log as other programs read it: with WUTANG_LOG_FORMAT=json each line is one object, whoever wrote it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.services import serving
from wutang_auth.tokens import key_file

JSON = {"WUTANG_LOG_FORMAT": "JSON", "WUTANG_LOG_LEVEL": "Debug"}

_WARNS = """
import warnings
from wutang_auth.observability import logs
from wutang_auth.settings import LogSettings, load
logs.configure(load(LogSettings))
warnings.warn("two\\nlines", UserWarning)
"""


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_every_line_of_supervisor_and_workers_is_one_object(
    environment: dict[str, str], keys_file: Path, tmp_path: Path
) -> None:
    ring, valid = tmp_path / "keys.json", key_file.load(keys_file)
    key_file.save(valid, ring)
    environment |= JSON | {"WUTANG_ACESS_TTL": "60", "WUTANG_KEYS_FILE": str(ring)}
    async with serving(environment, tmp_path / "log", "--workers", "2") as process:
        before = await until(process.log, "Application startup complete", 2)
        ring.write_text("{")
        os.kill(started(before)[0], signal.SIGKILL)
        after = await until(process.log, "WUTANG_KEYS_FILE", 1)
        key_file.save(valid, ring)
        await until(process.log, "Application startup complete", 3)
        assert await process.terminate() == 0
    [refused] = [line for line in after if "WUTANG_KEYS_FILE" in line["message"]][:1]
    assert (refused["level"], refused["logger"]) == ("critical", "wutang_auth.server.process")
    said = lines(process.log)
    assert {"wutang_auth.cli.context", "wutang_auth.server.process", "uvicorn.error"} <= {x["logger"] for x in said}
    warned = [line["message"] for line in said if line["level"] == "warning"]
    assert warned == ["WUTANG_ACESS_TTL is no setting; did you mean WUTANG_ACCESS_TTL?"]


def started(said: list[dict[str, Any]]) -> list[int]:
    """The workers' process ids."""
    return [int(line["message"].split("[")[1].rstrip("]")) for line in said if "Started server" in line["message"]]


async def until(log: Path, words: str, number: int) -> list[dict[str, Any]]:
    """What the log says once these words are there so many times."""
    async with asyncio.timeout(60):
        while sum(words in line["message"] for line in lines(log)) < number:  # noqa: ASYNC110 -- another process writes
            await asyncio.sleep(0.05)
    return lines(log)


def test_warning_of_python_is_one_object() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _WARNS], env={**os.environ, **JSON}, capture_output=True, text=True, check=True
    )
    [line] = said.stderr.splitlines()
    assert json.loads(line)["logger"] == "py.warnings"
    assert "UserWarning: two\nlines" in json.loads(line)["message"]
