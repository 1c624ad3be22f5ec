"""Whether the time of an answer tells who has an account: of a refused login, and of a request for a mail.

Starts the service on an embedded PostgreSQL with users whose hashes come from different systems, then sends wrong
logins for each kind of account in random order and compares their times with those of unknown e-mails. For each kind
it prints the probability that one of its refusals takes longer than one of an unknown e-mail (the Mann-Whitney
statistic as a share): 0.50 tells nothing, 1.00 tells everything. What each kind shows must be near to what unknown
e-mails show against each other.

Then it asks for registrations and new passwords for known, unknown, disabled and unverified addresses, in random order,
each for another address from another client address. Mails are really written meanwhile. After each answer it asks for
/healthz, to see whether the mail that is being written shows there.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
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
MAIL_ROUNDS = 150
MAIL_KINDS = ("unknown", "unknown again", "known", "disabled", "unverified")
MAIL_PATHS = ("/api/auth/register", "/api/auth/password/reset")


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
    for kind in MAIL_KINDS[2:]:
        for number in range(MAIL_ROUNDS * len(MAIL_PATHS)):
            await users.create(
                email=email(f"mail {kind}", number),
                name="",
                password_hash=password_hash,
                scopes=[],
                disabled=kind == "disabled",
                email_verified_at=None if kind == "unverified" else datetime.now(UTC),
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


async def measure_mails() -> dict[str, list[float]]:
    times: dict[str, list[float]] = {
        f"{path}{probe}, {kind}": [] for probe in ("", ", then /healthz") for path in MAIL_PATHS for kind in MAIL_KINDS
    }
    plan = list(product(MAIL_PATHS, MAIL_KINDS, range(MAIL_ROUNDS)))
    random.shuffle(plan)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        for done, (path, kind, number) in enumerate(plan):
            body = {"email": email(f"mail {kind}", number + MAIL_ROUNDS * MAIL_PATHS.index(path))}
            headers = {"X-Forwarded-For": f"198.18.{done // 256}.{done % 256}"}
            begun = time.perf_counter()
            response = await client.post(path, json=body, headers=headers)
            answered = time.perf_counter()
            await client.get("/healthz")
            times[f"{path}, {kind}"].append(answered - begun)
            times[f"{path}, then /healthz, {kind}"].append(time.perf_counter() - answered)
            if response.status_code != 200:
                sys.exit(f"{path}, {kind}: {response.status_code} {response.text}")
            if done % 300 == 0:
                print(f"{done} of {len(plan)} requests for mails", file=sys.stderr)
    return times


def longer(times: list[float], than: list[float]) -> float:
    """The share of pairs in which the first takes longer."""
    return sum((a > b) + (a == b) / 2 for a in times for b in than) / (len(times) * len(than))


async def serve(environment: dict[str, str]) -> dict[str, list[float]]:
    program = Path(sys.executable).with_name("wutang-auth")
    process = await asyncio.create_subprocess_exec(str(program), "serve", "--port", str(PORT), env=environment)
    try:
        return await measure() | await measure_mails()
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
            "WUTANG_TRUSTED_PROXIES": "127.0.0.1",
            "WUTANG_SMTP_URL": f"file://{name}/mails",
            "WUTANG_MAIL_FROM": "no-reply@wutang.example",
            "WUTANG_PUBLIC_URL": "https://wutang.example",
            "WUTANG_REGISTRATION": "open",
            "WUTANG_MAIL_PER_MINUTE": "60000",
        }
        times = asyncio.run(serve(environment))
    print(f"{'request and account':<56} {'median ms':>9} {'p90 ms':>8} {'longer than unknown':>20}")
    for kind, seconds in times.items():
        median, p90 = statistics.median(seconds) * 1000, statistics.quantiles(seconds, n=10)[8] * 1000
        unknown = times[", ".join([*kind.split(", ")[:-1], "unknown"]) if kind.startswith("/") else "unknown"]
        print(f"{kind:<56} {median:9.2f} {p90:8.2f} {longer(seconds, unknown):20.2f}")


if __name__ == "__main__":
    main()
