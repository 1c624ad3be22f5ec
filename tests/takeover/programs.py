"""MariaDB, Redis and nginx as Debian has them, each in a directory of its own and on loopback."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pymysql
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

_START_SECONDS = 60
_STOP_SECONDS = 20
PASSWORD = "p@ss/word:1"
"""Of the database: with characters that a URL has to write otherwise."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    *command: object, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program for as long as the block runs."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()


class MariaDb:
    """A server with the database `shop`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"mysql://shop:p%40ss%2Fword%3A1@127.0.0.1:{port}/shop"

    def connect(self) -> Any:
        """A connection that commits each statement."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="shop", password=PASSWORD, database="shop", charset="utf8mb4",
            autocommit=True,
        )  # fmt: skip

    def execute(self, sql: str, rows: Sequence[Sequence[object]] | None = None) -> None:
        """One statement, or one for each row."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            if rows is None:
                cursor.execute(sql)
            else:
                cursor.executemany(sql, rows)

    def make_tables(self) -> None:
        """The tables that Laravel's migrations make."""
        self.execute(
            "CREATE TABLE users (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(255) NOT NULL,"
            " email varchar(255) NOT NULL UNIQUE, email_verified_at timestamp NULL, password varchar(255) NOT NULL,"
            " remember_token varchar(100), created_at timestamp NULL, updated_at timestamp NULL,"
            " deleted_at timestamp NULL) CHARACTER SET utf8mb4"
        )
        self.execute(
            "CREATE TABLE cache (`key` varchar(255) PRIMARY KEY, value mediumtext NOT NULL, expiration int NOT NULL)"
            " CHARACTER SET utf8mb4"
        )


@asynccontextmanager
async def mariadb(directory: Path) -> AsyncIterator[MariaDb]:
    """MariaDB with the database `shop`, for as long as the block runs."""
    data, log, port = directory / "mariadb", directory / "mariadb.log", free_port()
    account = ["--user=root"] if os.geteuid() == 0 else []
    async with running(
        "mariadb-install-db", "--no-defaults", *account, f"--datadir={data}",
        "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", log=log,
    ) as install:  # fmt: skip
        assert await asyncio.wait_for(install.wait(), _START_SECONDS) == 0, log.read_text()
    initial = directory / "initial.sql"
    initial.write_text(
        "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
        f"CREATE USER shop@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON shop.* TO shop@'127.0.0.1';\n"
    )
    async with running(
        shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", *account, f"--datadir={data}",
        f"--socket={directory / 'mariadb.sock'}", "--bind-address=127.0.0.1", f"--port={port}",
        f"--pid-file={directory / 'mariadb.pid'}", f"--init-file={initial}", "--innodb-flush-log-at-trx-commit=0",
        log=log,
    ) as process:  # fmt: skip
        server = MariaDb(port)
        await _until_it_answers(lambda: asyncio.to_thread(_ping, server), process, log)
        yield server


def _ping(server: MariaDb) -> None:
    with suppress(pymysql.Error):
        server.connect().close()
        return
    raise ConnectionError


@asynccontextmanager
async def redis(directory: Path) -> AsyncIterator[str]:
    """The URL of a Redis, for as long as the block runs."""
    port, log = free_port(), directory / "redis.log"
    async with running(
        "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", "",
        "--requirepass", "s3cret", log=log,
    ) as process:  # fmt: skip
        url = f"redis://:s3cret@127.0.0.1:{port}/1"

        async def ping() -> None:
            client = Redis.from_url(url)
            try:
                await client.ping()
            except RedisConnectionError:
                raise ConnectionError from None
            finally:
                await client.aclose()

        await _until_it_answers(ping, process, log)
        yield url


async def _until_it_answers(ask: Any, process: asyncio.subprocess.Process, log: Path) -> None:
    ends_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            await ask()
        except ConnectionError:
            assert process.returncode is None, log
            assert time.monotonic() < ends_at, log
            await asyncio.sleep(0.05)
        else:
            return
