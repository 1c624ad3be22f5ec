"""How Alembic reaches PostgreSQL: by asyncpg, one migration at a time."""

import asyncio
import os
from functools import partial
from uuid import uuid4

import asyncpg
from alembic import context
from sqlalchemy import Connection, event, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import wutang_auth.models  # noqa: F401 -- fills the metadata
from wutang_auth.database import migration_locks
from wutang_auth.database.connecting import connect


def _migrate(connection: Connection, waiting: migration_locks.Waiting) -> None:
    @event.listens_for(connection, "begin")
    def limit_waits(connection: Connection) -> None:
        # outside of a transaction, where indexes are built concurrently, nobody waits behind
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            waiting.pid = connection.exec_driver_sql(migration_locks.LIMIT).scalar_one()

    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect(url: str, **_: object) -> "asyncpg.Connection[asyncpg.Record]":
    timeout, prepare = (context.config.attributes.get(name) for name in ("connect_timeout", "prepare"))
    return await connect(url, timeout=timeout or 10, statement_cache_size=0 if prepare is False else 100)


async def _run() -> None:
    url = context.config.attributes.get("url") or os.environ.get("WUTANG_DATABASE_URL")
    if not url:
        raise SystemExit("set WUTANG_DATABASE_URL, or use `wutang-auth migrate`")
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "async_creator_fn": partial(_connect, url),
            # names that are on no server yet: a pooler may have given this one to another migration before
            "prepared_statement_name_func": lambda: f"wutang_{uuid4()}",
        },
        poolclass=pool.NullPool,
    )
    waiting = context.config.attributes.get("waiting") or migration_locks.Waiting()
    others = partial(_connect, url)
    async with migration_locks.turn(others), migration_locks.watch(others, waiting), engine.connect() as connection:
        await connection.run_sync(_migrate, waiting)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())
