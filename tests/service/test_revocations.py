"""What several workers tell of revocations: a cursor of one holds at another, whatever was committed late."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt

from support.database import query
from wutang_auth.database import Database
from wutang_auth.repository import RevocationRepository
from wutang_auth.service.revocation_view import RevocationView
from wutang_auth.service.revocations import RevocationService
from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens


class Worker:
    """What one process tells; it goes through the table row by row, and a cursor is taken at its word."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.view = RevocationView(RevocationRepository(database), write_seconds=0, page=1)
        tokens = Tokens(settings, key_file.load(settings.keys_file))
        self._service = RevocationService(self.view, tokens, overlap=timedelta())

    async def tell(self, after: str | None = None) -> tuple[set[UUID], str]:
        """The sessions that have ended, by a look at what is there now, and the next cursor."""
        await self.view.ensure_age(0)
        made = await self._service.revocation_list(after)
        claims: dict[str, Any] = jwt.decode(made.jwt, options={"verify_signature": False})
        return {UUID(session_id) for session_id in claims["sessions"]}, claims["next"]


async def revoke(settings: Settings, *, user_id: int, ago: float = 0) -> UUID:
    """A revocation that was written so many seconds ago, and is committed now."""
    session_id = uuid4()
    await query(
        settings,
        "INSERT INTO revocations (user_id, session_id, revoked_at, expires_at)"
        " VALUES ($1, $2, clock_timestamp() - $3::interval, now() + interval '1 day')",
        user_id,
        session_id,
        timedelta(seconds=ago),
    )
    return session_id


async def test_what_a_new_worker_found_late_is_told_to_who_comes_from_another(settings: Settings) -> None:
    database = Database(settings.database_url.get_secret_value())
    for user_id in range(1, 5):
        await revoke(settings, user_id=user_id)
    earlier, later = Worker(settings, database), Worker(settings, database)
    _, cursor = await earlier.tell()
    late = await revoke(settings, user_id=9, ago=3600)
    assert late in (await later.tell())[0]  # its first look, to which nothing is late
    newest = await revoke(settings, user_id=9)
    told, cursor = await earlier.tell(cursor)
    assert newest in told
    assert late not in told
    # the earlier one ends before it has gone through the table once more
    assert {late, newest} <= (await later.tell(cursor))[0]
    await database.close()


async def test_a_cursor_moves_on_with_each_pass_through_the_table(settings: Settings) -> None:
    database = Database(settings.database_url.get_secret_value())
    worker = Worker(settings, database)
    _, first = await worker.tell()
    session_id = await revoke(settings, user_id=1)
    cursor = first
    while cursor == first:  # a look a second goes one row further
        await asyncio.sleep(0.2)
        told, cursor = await worker.tell(first)
        assert told == {session_id}
    assert int(cursor) > int(first)
    await database.close()
