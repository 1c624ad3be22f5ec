"""What every measurement stands on: a temporary PostgreSQL with durable commits, keys, and filled databases."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from load import LoadError
from servers import PASSWORD, Contender, Server

from wutang_auth.embedded import EmbeddedPostgres

POSTGRES_SETTINGS = {
    # what anyone raises on a server; fsync, synchronous_commit and full_page_writes stay on
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "500",  # up to 32 for each contender
}


class Stage:
    """A place to measure in; everything on it is gone in the end."""

    def __init__(self, directory: Path, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self.password_hash = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(PASSWORD)
        self._directory = directory
        self._private_key = directory / "key.pem"
        _write_keys(self._private_key)

    def directory(self, name: str) -> Path:
        """A directory for the files of one contender."""
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        return directory

    def fill(self, contender: Contender, **amounts: int) -> None:
        """Make a contender's database with so many users and tokens.

        Raises:
            LoadError: its script failed.
        """
        self.execute("postgres", f'CREATE DATABASE "{contender.name}"')
        directory = self.directory(contender.name)
        plan = {
            "url": self.postgres.url(contender.name),
            "directory": str(directory),
            "private_key": str(self._private_key),
            "password_hash": self.password_hash,
            **amounts,
        }
        given = {**self._environment(contender, contender.name), "BENCH_PLAN": json.dumps(plan)}
        command = contender.program(contender.fill)
        done = subprocess.run(command, cwd=contender.home, env=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LoadError(f"{contender.fill} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")

    def copy(self, original: Contender, contender: Contender) -> None:
        """Give a contender a copy of another one's database and tokens."""
        self.execute("postgres", f'CREATE DATABASE "{contender.name}" TEMPLATE "{original.name}"')
        shutil.copytree(self.directory(original.name), self.directory(contender.name), dirs_exist_ok=True)

    def server(self, contender: Contender, *cores: int) -> Server:
        """The contender, ready to be started on these cores."""
        environment = self._environment(contender, contender.name)
        return Server(contender, self.directory(contender.name), environment, cores, self.postgres_pid())

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""

        async def run() -> None:
            connection = await asyncpg.connect(self.postgres.url(database))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def row(self, database: str, query: str) -> dict[str, Any]:
        """The one row of a query."""

        async def run() -> dict[str, Any]:
            connection = await asyncpg.connect(self.postgres.url(database))
            try:
                return dict(await connection.fetchrow(query))
            finally:
                await connection.close()

        return asyncio.run(run())

    def postgres_pid(self) -> int:
        """The process that all of PostgreSQL's descend from."""
        return int((self._directory / "postgres" / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def _environment(self, contender: Contender, database: str) -> dict[str, str]:
        """All that a contender's process knows; nothing of this machine's own settings."""
        url, directory = self.postgres.url(database), self.directory(contender.name)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "BENCH_DATABASE_URL": url,
            "BENCH_DIRECTORY": str(directory),
            "BENCH_PRIVATE_KEY": str(self._private_key),
            "BENCH_SECRET": "for what no measurement uses, such as password resets",
            "WUTANG_DATABASE_URL": url,
            "WUTANG_KEYS_FILE": str(directory / "keys.json"),
            **contender.environment,
        }


@contextmanager
def stage(parent: Path | None) -> Iterator[Stage]:
    """Set it up in a temporary directory, below `parent` where given."""
    directory = Path(tempfile.mkdtemp(prefix="wutang-bench-", dir=parent))
    try:
        with EmbeddedPostgres(directory / "postgres", settings=POSTGRES_SETTINGS) as postgres:
            yield Stage(directory, postgres)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _write_keys(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
