"""This service, as `wutang-auth serve` runs it with its default settings. Here is only what fills its database."""

import json

import asyncpg
from seeding import Plan, in_database

from wutang_auth import migrations
from wutang_auth.keys import KeyRing
from wutang_auth.repository import SessionRepository
from wutang_auth.settings import Settings
from wutang_auth.tokens import Tokens


def seed(plan: Plan) -> None:
    """Make the schema, the users, one session for each, and tokens."""
    migrations.upgrade(plan.url)
    keys_file = plan.directory / "keys.json"
    ring = KeyRing.generate()
    ring.save(keys_file)
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
        await connection.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), (SELECT max(id) FROM users))")
        await connection.execute(
            """INSERT INTO sessions (user_id, id, expires_at, ip, user_agent)
               SELECT id, gen_random_uuid(), now() + interval '14 days', '127.0.0.1', 'bench' FROM users"""
        )
        sessions = dict(await connection.fetch("SELECT user_id, id FROM sessions"))

        def pair(user: int) -> tuple[str, str]:
            issued = tokens.issue(
                user_id=user, session_id=sessions[user], generation=0, scopes=[], session_lifetime=settings.refresh_ttl
            )
            return issued.access_token, issued.refresh_token

        plan.write("access", (pair(user)[0] for user in plan.access_users()))
        plan.write("fresh", (pair(user)[0] for user in plan.fresh_users()))
        plan.write("refresh", (pair(user)[1] for user in plan.refresh_users()))

    in_database(plan, fill)
    write_statements(plan, settings)


def write_statements(plan: Plan, settings: Settings) -> None:
    """Hand the service's own SQL to the limit, which has to run the same."""
    names = {name: f":{name}" for name in ("uid", "sid", "given", "grace")}
    statements = {
        "me": SessionRepository._READ,  # noqa: SLF001 -- the very statement, not a copy that ages
        "refresh": SessionRepository._ROTATE,  # noqa: SLF001 -- likewise
    }
    document = {name: {"sql": it.sql, "arguments": it.arguments(names)} for name, it in statements.items()}
    document["grace"] = settings.refresh_grace
    (plan.directory / "statements.json").write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    seed(Plan.load())
