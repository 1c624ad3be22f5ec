"""The statements that bring the tokens of a blacklist."""

from collections.abc import AsyncIterable
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from wutang_auth.database import Statement
from wutang_auth.repository.user_import import affected_rows


class RevokedTokens:
    """The tokens of a blacklist, brought in one transaction."""

    CREATE = Statement("CREATE TEMPORARY TABLE revoked (digest bytea, expires_at timestamptz) ON COMMIT DROP")

    # SECURITY: later than the application forgets it, where it can be refreshed here for longer; one without an end
    # outlives every gate, which is open for sixty days at most. One that has become a session here is not answered
    # once more when it was revoked there; the session goes on, since its tokens are others
    ADD = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        INSERT INTO legacy_tokens (digest, reason, expires_at)
        SELECT revoked.digest, 'imported',
            greatest(max(coalesce(revoked.expires_at, clock.t + interval '10 years')), clock.t + $refresh_ttl::interval)
        FROM revoked, clock
        GROUP BY revoked.digest, clock.t
        ON CONFLICT (digest) DO UPDATE SET reason = 'imported' WHERE legacy_tokens.reason = 'adopted'
    """)

    PROLONG = Statement("""
        UPDATE legacy_tokens SET expires_at = revoked.expires_at
        FROM revoked
        WHERE legacy_tokens.digest = revoked.digest AND revoked.expires_at > legacy_tokens.expires_at
    """)

    NOTE_RUN = Statement("""
        INSERT INTO takeover_runs (kind, finished_at, rows, rejected) VALUES ('revocations', now(), $rows, 0)
        ON CONFLICT (kind) DO UPDATE SET finished_at = excluded.finished_at, rows = excluded.rows
    """)

    def __init__(self, raw: "asyncpg.Connection[Any]") -> None:
        self._raw = raw

    async def add(self, tokens: AsyncIterable[tuple[bytes, datetime | None]], refresh_ttl: timedelta) -> int:
        """Add those that are not known and count them."""
        await self._raw.execute(self.CREATE.sql)
        brought = affected_rows(await self._raw.copy_records_to_table("revoked", records=tokens, timeout=None))
        added = affected_rows(await self._raw.execute(self.ADD.sql, refresh_ttl))
        await self._raw.execute(self.PROLONG.sql)
        await self._raw.execute(self.NOTE_RUN.sql, brought)
        return added
