"""A running application's users and revoked tokens, taken over as often as it takes until the switch."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wutang_auth import audit
from wutang_auth.repository import IncomingUser, RejectedRow
from wutang_auth.repository.laravel import CacheEntry, Finding, finding
from wutang_auth.repository.takeover import Conflict, Merged, TakeoverRepository, TakeoverStatus


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of the users there."""

    rows: int
    merged: Merged
    rejected: int
    conflicts: int

    @property
    def unchanged(self) -> int:
        """Rows of users with whom nothing happened: they are here as they are there, or changed here only."""
        done = self.merged
        return self.rows - done.created - done.changed - done.deleted - done.deleted_here - self.rejected


@dataclass(frozen=True, slots=True)
class RevocationsTaken:
    """What became of the entries of a blacklist."""

    entries: int
    revoked: int
    """Tokens on the blacklist."""
    added: int
    """Those of them that were not known here."""
    unreadable: int
    """Those of them whose value says nothing; that they are there revokes them."""

    @property
    def others(self) -> int:
        """Entries that are not of the blacklist."""
        return self.entries - self.revoked


class TakeoverService:
    """Brings what is there, and never undoes what happened here."""

    def __init__(self, takeovers: TakeoverRepository) -> None:
        self._takeovers = takeovers

    async def users(
        self,
        rows: AsyncIterable[IncomingUser],
        *,
        is_whole: bool,
        reject: Callable[[RejectedRow], None],
        conflict: Callable[[Conflict], None],
    ) -> TakenOver:
        """Create who is new there and bring each field that changed there since it was seen last.

        | there since the last run | here since the last run | then |
        |---|---|---|
        | a field changed | it did not, or its hash was upgraded | it is brought |
        | a field changed | it changed to something else | it stays, as a conflict |
        | the user is deleted | | the user is disabled |
        | | the user was deleted | it stays deleted |

        Args:
            rows: What is there.
            is_whole: Whether who has no row is deleted there; else `rows` may be a part of the users.
            reject: Called for each row that is wrong, in the end and in order.
            conflict: Called for each user of whom a field stays.

        Raises:
            TakeoverRunning: another one goes on. Whatever is raised, nothing is changed.
        """
        rejected = conflicts = 0
        async with self._takeovers.begin() as takeover:
            total = await takeover.add(_with_ids(rows))
            merged = await takeover.take_over(is_whole=is_whole)
            async for row in takeover.rejected():
                reject(row)
                rejected += 1
            async for found in takeover.conflicts():
                conflict(found)
                conflicts += 1
            await takeover.note_run(rows=total, rejected=rejected)
            await takeover.revoke()
        audit.record(
            "users_imported", detail=f"{merged.created} created, {merged.changed} changed, {rejected} rejected"
        )
        return TakenOver(total, merged, rejected, conflicts)

    async def revocations(self, entries: AsyncIterable[CacheEntry], *, refresh_ttl: int) -> RevocationsTaken:
        """Refuse from now on each token that is on the blacklist of a cache store, and forget none that is here.

        A token that somebody blacklisted before now can be refreshed for `refresh_ttl` seconds more at most, and it
        expires before the store forgets it; it is known as long as either.
        """
        count = revoked = unreadable = 0

        async def digests() -> AsyncIterator[tuple[bytes, datetime | None]]:
            nonlocal count, revoked, unreadable
            async for entry in entries:
                count += 1
                found = finding(entry)
                if found is not Finding.OTHER and entry.jti_sha1 is not None:
                    revoked += 1
                    unreadable += found is Finding.UNREADABLE
                    yield entry.jti_sha1, entry.expires_at

        added = await self._takeovers.revoke(digests(), refresh_ttl=timedelta(seconds=refresh_ttl))
        audit.record("tokens_imported", detail=f"{added} added")
        return RevocationsTaken(count, revoked, added, unreadable)

    async def status(self) -> TakeoverStatus:
        """How far the takeover is."""
        return await self._takeovers.status()


async def _with_ids(rows: AsyncIterable[IncomingUser]) -> AsyncIterator[IncomingUser]:
    async for row in rows:
        yield replace(row, reason="id: is missing") if row.id is None and row.reason is None else row
