"""What is read and written in `mails`."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.fields import MailKind, canonical_email
from wutang_auth.response_codes import Language


@dataclass(frozen=True, slots=True)
class MailRecord:
    """A mail that is to be sent."""

    id: UUID
    kind: MailKind
    email: str
    canonical_email: str
    user_id: int | None
    other_email: str | None
    language: Language
    created_at: datetime
    due_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail that nobody else sends for as long as the lease lasts."""

    mail: MailRecord
    is_late: bool
    """Whether it has waited for so long that this attempt is the last."""


LEASE: Final = timedelta(seconds=60)
"""How long a mail is left to who took it; longer than an attempt may take, so that nobody else sends it meanwhile."""

_COLUMNS = "mails.id, kind, email, canonical_email, user_id, other_email, language, created_at, due_at, attempts"

_mail = reader(MailRecord)


class MailRepository:
    """The `mails` table: what is to be sent. It holds no tokens; they are made when a mail is sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    WRITE = Statement("""
        INSERT INTO mails (kind, email, canonical_email, user_id, other_email, language)
        VALUES ($kind, $email, $canonical_email, $user_id, $other_email, $language)
    """)

    async def write(
        self,
        kind: MailKind,
        email: str,
        language: Language,
        *,
        user_id: int | None = None,
        other_email: str | None = None,
        transaction: Transaction | None = None,
    ) -> None:
        """Have a mail sent; in the transaction of the change that it tells of, where there is one."""
        await (transaction or self._database).fetch(
            self.WRITE, kind=kind, email=email, canonical_email=canonical_email(email), user_id=user_id,
            other_email=other_email, language=language,
        )  # fmt: skip

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """One for several mails, of which none is to be sent without the others."""
        return self._database.transaction()

    CLAIM = Statement(f"""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE mails SET attempts = mails.attempts + 1, due_at = clock.t + $lease::interval
        FROM clock
        WHERE mails.id = (
            SELECT id FROM mails WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING {_COLUMNS}, created_at < clock.t - $age::interval AS is_late
    """)

    async def claim(self, *, lease: timedelta, age: timedelta) -> ClaimedMail | None:
        """The mail that is due for longest, now postponed by the lease: if its sender dies, it comes due again."""
        row = await self._database.fetchrow(self.CLAIM, lease=lease, age=age)
        return None if row is None else ClaimedMail(_mail(row), bool(row["is_late"]))

    POSTPONE = Statement("UPDATE mails SET due_at = now() + $wait::interval WHERE id = $id AND attempts = $attempts")

    async def postpone(self, mail: MailRecord, wait: timedelta) -> None:
        """Have a claimed mail come due after so long."""
        await self._database.fetch(self.POSTPONE, id=mail.id, attempts=mail.attempts, wait=wait)

    REMOVE = Statement("DELETE FROM mails WHERE id = $id RETURNING id")

    async def remove(self, mail_id: UUID) -> bool:
        """Send it no more: it was sent, or cannot be. False if there is no such mail."""
        return await self._database.fetchrow(self.REMOVE, id=mail_id) is not None

    WAITING = Statement(
        "SELECT count(*) AS mails, extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds FROM mails"
    )

    async def waiting(self) -> tuple[int, float]:
        """How many mails wait, and how many seconds the oldest does."""
        row = await self._database.fetchrow(self.WAITING)
        return (0, 0.0) if row is None else (row["mails"], row["oldest_seconds"] or 0.0)

    LIST = Statement(f"SELECT {_COLUMNS} FROM mails ORDER BY created_at, id LIMIT $limit")

    async def list(self, *, limit: int) -> Sequence[MailRecord]:
        """The mails that wait, the oldest first."""
        return [_mail(row) for row in await self._database.fetch(self.LIST, limit=limit)]

    # what was taken is due again within the lease; a mail that is sent now must not be sent by another one too
    RETRY = Statement("""
        WITH waiting AS MATERIALIZED (
            SELECT id, due_at > clock_timestamp() + $lease::interval AS comes_late
            FROM mails
            WHERE due_at > now()
            FOR UPDATE SKIP LOCKED
        ), due AS (
            UPDATE mails SET due_at = now(), attempts = 0
            FROM waiting
            WHERE mails.id = waiting.id AND waiting.comes_late
            RETURNING mails.id
        )
        SELECT (SELECT count(*) FROM due) AS due, (SELECT count(*) FROM waiting WHERE NOT comes_late) AS left_alone
    """)

    async def retry(self) -> tuple[int, int]:
        """Have the mails that wait for their next attempt come due now.

        How many, and how many were left alone: they are being sent, or come due within the lease anyway.
        """
        row = await self._database.fetchrow(self.RETRY, lease=LEASE)
        return (0, 0) if row is None else (row["due"], row["left_alone"])

    REMOVE_ALL = Statement("""
        DELETE FROM mails WHERE id IN (SELECT id FROM mails FOR UPDATE SKIP LOCKED) RETURNING id
    """)

    async def remove_all(self) -> int:
        """Send none of those that wait, and count them."""
        return len(await self._database.fetch(self.REMOVE_ALL))
