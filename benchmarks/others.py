"""What other services have of this one: the verifier distribution, and the document of revocations."""

import importlib.util
import json
import subprocess
from http.client import HTTPConnection
from typing import Any

from joint import started
from load import LoadError
from machine import Cores
from servers import CONTENDERS, PEERS_BIN, Server

SCRIPT = str(CONTENDERS / "verifier_alone.py")


def measure(server: Server, cores: Cores) -> dict[str, Any]:
    """The verifier on the server's core, then thousands of logouts that it has to hear of, then the document."""
    if importlib.util.find_spec("wutang_auth_verifier") is None:
        return {}
    with started(server):
        found = {
            "verifier": verifier("speed", server, "access.txt", [cores.server]),
            "logouts": verifier("logouts", server, "fresh.txt", sorted(cores.others)),
        }
        return {**found, "document": document(server)}


def verifier(what: str, server: Server, tokens: str, cores: list[int]) -> dict[str, float]:
    """What the script found on these cores.

    Raises:
        LoadError: it failed.
    """
    given = [what, f"http://127.0.0.1:{server.port}", str(server.directory / tokens)]
    command = ["taskset", "-c", ",".join(map(str, cores)), str(PEERS_BIN / "python"), SCRIPT, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise LoadError(f"the verifier failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def document(server: Server) -> dict[str, float]:
    """How large the answer is that has all revocations, and how long it takes to build one.

    Raises:
        LoadError: there is none.
    """
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/.well-known/revocations", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise LoadError(f"the document of revocations is answered {answer.status}")
    return {"kilobytes": len(body) / 1000}
