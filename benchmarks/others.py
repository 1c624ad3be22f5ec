"""What other services have of this one: the verifier distribution, and the document of revocations."""

import importlib.util
import json
import subprocess
import time
from base64 import urlsafe_b64decode
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

from goals import median
from joint import started
from load import LoadError
from machine import Cores
from servers import CONTENDERS, PEERS_BIN, SERVICE, Server
from stage import Stage

SCRIPT = str(CONTENDERS / "verifier_alone.py")


def measure(where: Stage, cores: Cores) -> dict[str, Any]:
    """The verifier on the server's core, then thousands of logouts that it has to hear of, then the document.

    The sessions that end are those of a database of its own.
    """
    if importlib.util.find_spec("wutang_auth_verifier") is None:
        return {}
    contender = replace(SERVICE, name="others")
    where.copy(SERVICE, contender)
    server = where.server(contender, cores.server)
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

    It is built once for each cursor: the time is that of an answer for a new one, less that of an answer that is kept.
    """
    text, _ = fetch(server, "", gzip=False)
    claims = json.loads(urlsafe_b64decode(text.split(b".")[1] + b"=="))
    built, kept = ([fetch(server, f"?after={n}")[1] for n in cursors] for cursors in (range(1, 12), [1] * 11))
    return {
        "revocations": len(claims["sessions"]) + len(claims["users"]),
        "kilobytes": len(fetch(server, "")[0]) / 1000,
        "milliseconds": 1000 * (median(built) - median(kept)),
    }


def fetch(server: Server, query: str, *, gzip: bool = True) -> tuple[bytes, float]:
    """The document as it is sent, and the seconds that it took.

    Raises:
        LoadError: there is none.
    """
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
    begin = time.perf_counter()
    connection.request("GET", f"/.well-known/revocations{query}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - begin
    connection.close()
    if answer.status != 200:
        raise LoadError(f"the document of revocations is answered {answer.status}")
    return body, seconds
