"""The version before on the schema of this one: its own tests of the API pass there."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from upgrade.releases import ROOT, version_before

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

OF_THE_API = [
    "test_login.py", "test_me.py", "test_refresh.py", "test_logout.py", "test_sessions.py", "test_users.py",
    "test_password_change.py", "test_throttle.py", "test_replicas.py",
]  # fmt: skip


async def test_its_tests_of_the_api_pass_on_the_new_schema(tmp_path: Path) -> None:
    before = version_before(tmp_path / "before")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WUTANG_", "PYTEST_"))}
    environment |= {
        "PYTHONPATH": f"{before.directory / 'src'}:{Path(__file__).parent}",
        "NEWER": str(ROOT / "src"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "newer_schema", "-p", "no:cacheprovider",
        *(f"tests/{name}" for name in OF_THE_API),
        cwd=before.directory, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output[-5000:]
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None
    assert int(passed[1]) > 100
