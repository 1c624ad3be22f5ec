"""What Prometheus is shown of a running service; imported only where `WUTANG_METRICS_PORT` is set."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from wutang_auth import audit
from wutang_auth.database import Database
from wutang_auth.observability.metrics import Metrics, Sources
from wutang_auth.observability.scraping import scraped
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import MailRepository
from wutang_auth.tokens.access import Tokens
from wutang_auth.tokens.key_ring import KeyRing, SigningKey


@asynccontextmanager
async def monitored(
    metrics: Metrics,
    *,
    host: str,
    port: int,
    databases: Mapping[str, Database],
    passwords: Passwords,
    tokens: Tokens,
    mails: MailRepository | None,
) -> AsyncIterator[None]:
    """Count events and answer Prometheus for as long as the block runs; databases by the names of their pools."""
    metrics.read(
        Sources(
            hash_queue=lambda: passwords.waiting,
            connections=lambda: _connections(databases),
            key_ages=lambda: key_ages(tokens.ring, datetime.now(UTC)),
            mails=None if mails is None else mails.waiting,
        )
    )
    audit.listeners.append(metrics.count_event)
    try:
        async with scraped(metrics.exposition, host, port):
            yield
    finally:
        audit.listeners.remove(metrics.count_event)


def key_ages(ring: KeyRing, now: datetime) -> dict[tuple[str, str], float]:
    """Seconds since the oldest key of each state and use was made."""
    ages: dict[tuple[str, str], float] = {}
    for key in ring.all:
        kind = (key.state, "sig" if isinstance(key, SigningKey) else "enc")
        ages[kind] = max(ages.get(kind, 0.0), (now - key.created_at).total_seconds())
    return ages


def _connections(databases: Mapping[str, Database]) -> dict[tuple[str, str], int]:
    return {
        (pool, state): number
        for pool, database in databases.items()
        for state, number in (("in use", database.in_use), ("idle", database.idle))
    }
