"""This service, as `wutang-auth serve` runs it with its default settings. Here is only what fills its database."""

import json

import asyncpg
from seeding import Plan, in_database

from wutang_auth.database import migrations
from wutang_auth.repository import SessionRepository
from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing


def seed(plan: Plan) -> None:
    """Make the schema, the users, the sessions, and tokens for some of them."""
    migrations.upgrade(plan.url)
    keys_file = plan.directory / "keys.json"
    ring = KeyRing.generate()
    key_file.save(ring, keys_file)
    settings = Settings(database_url=plan.url, keys_file=keys_file)
    tokens = Tokens(settings, ring)

    async def fill(connection: "asyncpg.Connection") -> None:
        await connection.execute(
            """INSERT INTO users (id, email, canonical_email, name, password_hash)
               SELECT i, 'user' || i || '@bench.example', 'user' || i || '@bench.example', 'User ' || i, $1
               FROM generate_series(1, $2::int) i""",
            plan.password_hash,
            plan.users,
        )
        await connection.execute("INSERT INTO emails (canonical_email, user_id) SELECT canonical_email, id FROM users")
        await connection.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), (SELECT max(id) FROM users))")
        await insert_sessions(connection, plan.users, plan.sessions or plan.users)
        found = await some_sessions(connection, plan)

        def pair(session: "asyncpg.Record") -> tuple[str, str]:
            issued = tokens.issue(
                user_id=session["user_id"],
                session_id=session["id"],
                generation=0,
                scopes=[],
                session_lifetime=settings.refresh_ttl,
            )
            return issued.access_token, issued.refresh_token

        # a refresh ends the access token before it, so these sessions are used for nothing else
        refreshed, others = found[: plan.refresh_tokens], found[plan.refresh_tokens :]
        plan.write("refresh", (pair(session)[1] for session in refreshed))
        plan.write("access", (pair(session)[0] for session in others[: plan.access_tokens]))
        plan.write("fresh", (pair(others[number % len(others)])[0] for number in range(plan.fresh_tokens)))

    in_database(plan, fill)
    write_statements(plan)


async def insert_sessions(connection: "asyncpg.Connection", users: int, sessions: int) -> None:
    """Spread sessions over the users, in no order. Many go in without the indexes, which are made again afterwards."""
    made_again = []
    if sessions > 100_000:
        await connection.execute("SET maintenance_work_mem = '1GB'")
        constraints = await connection.fetch(
            """SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
               WHERE conrelid = 'sessions'::regclass AND contype IN ('p', 'f') ORDER BY contype"""
        )
        indexes = await connection.fetch(
            """SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'sessions'
               AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
        )
        for name, definition in constraints:
            await connection.execute(f'ALTER TABLE sessions DROP CONSTRAINT "{name}"')
            made_again.append(f'ALTER TABLE sessions ADD CONSTRAINT "{name}" {definition}')
        for name, definition in indexes:
            await connection.execute(f'DROP INDEX "{name}"')
            made_again.append(definition)
    await connection.execute(
        """INSERT INTO sessions (user_id, id, expires_at, ip, user_agent)
           SELECT 1 + (i * 7919) % $1::bigint, gen_random_uuid(),
                  now() + interval '14 days' - random() * interval '6 days', '127.0.0.1', 'bench'
           FROM generate_series(1, $2::bigint) i""",
        users,
        sessions,
        timeout=3600,
    )
    for statement in made_again:
        await connection.execute(statement, timeout=3600)


async def some_sessions(connection: "asyncpg.Connection", plan: Plan) -> "list[asyncpg.Record]":
    """Random ones, as many as tokens are wanted."""
    wanted = plan.refresh_tokens + max(plan.access_tokens, plan.fresh_tokens)
    percent = min(100.0, 120.0 * wanted / (plan.sessions or plan.users))
    found = await connection.fetch(
        "SELECT user_id, id FROM sessions TABLESAMPLE BERNOULLI ($1::float) ORDER BY random() LIMIT $2", percent, wanted
    )
    return list(found)


def write_statements(plan: Plan) -> None:
    """Hand the service's own SQL to the limit, which has to run the same."""
    statements = {"me": SessionRepository.READ, "refresh": SessionRepository.ROTATE}
    # growth.py and the limit give these; another one is to be missed now, not after ten minutes
    assert set(SessionRepository.ROTATE.parameters) == {"user_id", "session_id", "given", "access_ttl"}
    document = {name: {"sql": it.sql, "parameters": it.parameters} for name, it in statements.items()}
    (plan.directory / "statements.json").write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    seed(Plan.load())
