"""Wrong-password logins on many connections, from a process of its own: `flood.py PORT CONNECTIONS SECONDS WAY`.

The ways: `one-account` (one address guesses at one account), `spray` (accounts and addresses without number, of which
the throttle refuses none). Prints a JSON object: the seconds that each answer took, by its status; 0 is no answer.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import defaultdict

from faults.clients import Connection, Lost, Refused


async def flood(port: int, connections: int, seconds: float, way: str) -> dict[str, list[float]]:
    """The seconds of each answer by status; 0 is no answer."""
    answered: dict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds

    async def guess() -> None:
        connection = Connection(port)
        while time.monotonic() < end:
            headers = {}
            email = "visitor0@wutang.example"
            if way == "spray":
                headers["X-Forwarded-For"] = f"203.0.{random.randrange(256)}.{random.randrange(256)}"
                email = f"{random.randbytes(6).hex()}@wutang.example"
            begun = time.monotonic()
            try:
                body = {"email": email, "password": "wrong"}
                status = (await connection.call("POST", "/api/auth/login", body=body, headers=headers)).status
            except (Lost, Refused):
                status = 0
            answered[str(status)].append(time.monotonic() - begun)
        connection.close()

    await asyncio.gather(*(guess() for _ in range(connections)))
    return answered


def main() -> None:
    """Flood, and say what came of it."""
    os.nice(5)  # a flood comes from other machines; it is not to take the processor from the service
    port, connections, seconds, way = sys.argv[1:]
    print(json.dumps(asyncio.run(flood(int(port), int(connections), float(seconds), way))))


if __name__ == "__main__":
    main()
