"""A process that forks: each child follows the service by itself."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from support.publishing import Publisher, eventually

SOURCE = Path(__file__).parents[1] / "src"
PROGRAM = """
import os, sys, time
from wutang_auth_verifier import RevokedToken, Verifier

base_url, token = sys.argv[1:]
verifier = Verifier(base_url, issuer="wutang-auth", audience="wutang", poll_seconds=0.1, max_staleness=2).start()
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        assert verifier.verify(token).user_id == 1, "without waiting"
        open(f"{os.getpid()}.ready", "w").close()
        until = time.monotonic() + 15
        while time.monotonic() < until:  # beyond its staleness, so that the parent's view will not do
            try:
                verifier.verify(token)
            except RevokedToken:
                verifier.close()
                os._exit(7)
            time.sleep(0.05)
        os._exit(1)
    children.append(child)
verifier.close()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_each_fork_learns_of_logouts_while_its_parent_no_longer_asks(publisher: Publisher, tmp_path: Path) -> None:
    session = uuid4()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, publisher.base_url, publisher.issue(session_id=session)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)}, cwd=tmp_path, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        eventually(lambda: len(list(tmp_path.glob("*.ready"))) == 3)
        publisher.revoked.append(str(session))
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert output.decode().strip() == "[7, 7, 7]"
