"""Whether the time of a refused login tells who has an account.

Starts the service on an embedded PostgreSQL with users whose hashes come from different systems, then sends wrong
logins for each kind of account in random order and compares their times with those of unknown e-mails. For each kind
it prints the probability that one of its refusals takes longer than one of an unknown e-mail (the Mann-Whitney
statistic as a share): 0.50 tells nothing, 1.00 tells everything. What each kind shows must be near to what unknown
e-mails show against each other.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import httpx
from passlib.hash import argon2, bcrypt

from wutang_auth.database import Database, migrations
from wutang_auth.embedded import EmbeddedPostgres
from wutang_auth.repository import UserRepository
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing

ROUNDS = 40
PORT = 8791
PASSWORD = "the right one of every account"
KINDS = {
    "argon2id as stored here": argon2.using(type="ID", memory_cost=19456, time_cost=2, parallelism=1),
    "bcrypt 10": bcrypt.using(rounds=10),
    "bcrypt 12": bcrypt.using(rounds=12),
    "argon2id 64 MiB, 4 passes": argon2.using(type="ID", memory_cost=65536, time_cost=4, parallelism=1),
}
UNKNOWN = ("unknown", "unknown again")
DISABLED = "disabled, right password"


async def add_users(url: str) -> None:
    """One user of each kind for each round: the throttle must not see the same one twice."""
    database = Database(url)
    users = UserRepository(database)
    for kind, scheme in KINDS.items():
        password_hash = scheme.hash(PASSWORD)
        for number in range(ROUNDS):
            await users.create(email=email(kind, number), name="", password_hash=password_hash, scopes=[])
    password_hash = KINDS["argon2id as stored here"].hash(PASSWORD)
    for number in range(ROUNDS):
        await users.create(
            email=email(DISABLED, number), name="", password_hash=password_hash, scopes=[], disabled=True
        )
    await database.close()


def email(kind: str, number: int) -> str:
    return f"{''.join(c for c in kind if c.isalnum())}{number}@wutang.example"


async def measure() -> dict[str, list[float]]:
    times: dict[str, list[float]] = {kind: [] for kind in (*UNKNOWN, *KINDS, DISABLED)}
    plan = list(product(times, range(ROUNDS)))
    random.shuffle(plan)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        while True:
            try:
                await client.get("/readyz")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        await asyncio.sleep(3)  # it meets one stored hash of each cost
        for done, (kind, number) in enumerate(plan, 1):
            body = {"email": email(kind, number), "password": PASSWORD if kind == DISABLED else "wrong"}
            begun = time.perf_counter()
            response = await client.post("/api/auth/login", json=body)
            times[kind].append(time.perf_counter() - begun)
            if response.status_code != 401:
                sys.exit(f"{kind}: {response.status_code} {response.text}")
            if done % 50 == 0:
                print(f"{done} of {len(plan)} logins", file=sys.stderr)
    return times


def longer(times: list[float], than: list[float]) -> float:
    """The share of pairs in which the first takes longer."""
    return sum((a > b) + (a == b) / 2 for a in times for b in than) / (len(times) * len(than))


async def serve(environment: dict[str, str]) -> dict[str, list[float]]:
    program = Path(sys.executable).with_name("wutang-auth")
    process = await asyncio.create_subprocess_exec(str(program), "serve", "--port", str(PORT), env=environment)
    try:
        return await measure()
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name), durable=False) as postgres:
        keys = Path(name) / "keys.json"
        key_file.save(KeyRing.generate(), keys)
        migrations.upgrade(postgres.url())
        asyncio.run(add_users(postgres.url()))
        environment = {
            **os.environ,
            "WUTANG_DATABASE_URL": postgres.url(),
            "WUTANG_KEYS_FILE": str(keys),
            "WUTANG_LOG_LEVEL": "warning",
            "WUTANG_THROTTLE_ADDRESS_FAILURES": "1000000",
        }
        times = asyncio.run(serve(environment))
    print(f"{'account':<28} {'median ms':>9} {'p90 ms':>8} {'longer than unknown':>20}")
    for kind, seconds in times.items():
        median, p90 = statistics.median(seconds) * 1000, statistics.quantiles(seconds, n=10)[8] * 1000
        print(f"{kind:<28} {median:9.1f} {p90:8.1f} {longer(seconds, times['unknown']):20.2f}")


if __name__ == "__main__":
    main()
