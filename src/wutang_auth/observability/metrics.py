"""The numbers of one worker as Prometheus reads them; imported only where `WUTANG_METRICS_PORT` is set."""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from wutang_auth.audit import REASONS, Event, Reason
from wutang_auth.errors import AuthError
from wutang_auth.observability.histograms import Histogram, Histograms
from wutang_auth.observability.observers import (
    DatabaseError,
    DatabaseObserver,
    HashObserver,
    HashRefusal,
    Observers,
    Throttled,
)

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})

# the times when series began, which nobody asks for, would be as many series again
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read each time Prometheus asks."""

    hash_queue: Callable[[], int]
    connections: Callable[[], Mapping[tuple[str, str], int]]
    """By pool and state."""
    key_ages: Callable[[], Mapping[tuple[str, str], float]]
    """Seconds by state and use, of the oldest key."""
    mails: Callable[[], Awaitable[tuple[int, float]]] | None
    """How many mails wait, and how many seconds the oldest does; None: mail is off."""


class Metrics:
    """Counts what it is told of, in a registry of its own.

    SECURITY: no label holds an e-mail, a user's id or an address. The values of each are a closed set.
    """

    def __init__(self, *, version: str, revision: str) -> None:
        """`revision` is that of the schema which this version was made for."""
        self._registry = CollectorRegistry()
        self._reader: _Reader | None = None
        self._by_request: dict[tuple[str, str, int], Histogram] = {}
        ProcessCollector(registry=self._registry)
        Info("wutang_build", "The program that runs.", registry=self._registry).info(
            {"version": version, "revision": revision, "python": platform.python_version()}
        )
        self._requests = self._histogram(
            "http_server_request_duration_seconds", "From the head of a request to the end of its answer.",
            "http_request_method", "http_route", "http_response_status_code",
        )  # fmt: skip
        self._events = self._counter("wutang_audit_events", "Events of the audit trail.", "event", "reason")
        self._hashes = self._histogram("wutang_hash_seconds", "Hashing a password, the queue included.", "outcome")
        self._unhashed = self._counter("wutang_hash_refused", "Passwords that were not hashed.", "outcome")
        self._waits = self._histogram("wutang_db_wait_seconds", "Waiting for a connection to PostgreSQL.", "pool")
        self._errors = self._counter("wutang_db_errors", "Failures of PostgreSQL or of the way to it.", "kind")
        self._throttled = self._counter("wutang_throttled", "Attempts that were told to wait.", "by")
        self._ring_errors = self._counter("wutang_key_ring_errors", "Changed key rings that could not be used.")
        self._begin_at_zero()

    def observers(self) -> Observers:
        """Those through whom this is told of what goes on."""
        return Observers(
            database=self._database_observer("requests"),
            counters=self._database_observer("counters"),
            hashes=HashObserver(
                finished=lambda outcome, seconds: self._hashes.labels(outcome).observe(seconds),
                refused=lambda outcome: self._unhashed.labels(outcome).inc(),
            ),
            throttled=lambda by: self._throttled.labels(by).inc(),
            key_ring_refused=self._ring_errors.inc,
        )

    def count_event(self, event: Event, reason: Reason | None) -> None:
        """An event of the audit trail."""
        self._events.labels(event, reason or "").inc()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is empty where there is none for it."""
        found = self._by_request.get((method, route, status))
        if found is None:
            known = method if method in _METHODS else "_OTHER"
            found = self._requests.labels(known, route, status)
            if known is method:  # SECURITY: else a client could have any number of them remembered
                self._by_request[method, route, status] = found
        found.observe(seconds)

    def read(self, sources: Sources) -> None:
        """From now on, read these too when Prometheus asks."""
        self._reader = _Reader(sources)
        self._registry.register(self._reader)

    async def exposition(self) -> bytes:
        """All numbers in Prometheus' text format; written in a thread, since that takes longer than a request may."""
        if self._reader is not None:
            await self._reader.look()
        return await asyncio.to_thread(generate_latest, self._registry)

    def _begin_at_zero(self) -> None:
        """Show series before the first event: for Prometheus, one that begins with 1 has not increased."""
        for event in get_args(Event):
            for reason in REASONS.get(event, (None,)):
                self._events.labels(event, reason or "")
        for counter, values in (
            (self._unhashed, HashRefusal),
            (self._errors, DatabaseError),
            (self._throttled, Throttled),
        ):
            for value in get_args(values):
                counter.labels(value)

    def _database_observer(self, pool: str) -> DatabaseObserver:
        return DatabaseObserver(
            waited=self._waits.labels(pool).observe, failed=lambda kind: self._errors.labels(kind).inc()
        )

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histograms:
        found = Histograms(name, what, *labels)
        self._registry.register(found)
        return found


class _Reader(Collector):
    """Reads what is not counted."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._mails: tuple[int, float] | None = None

    async def look(self) -> None:
        """Read what has to be waited for; without the database it is not known."""
        if self._sources.mails is not None:
            try:
                self._mails = await self._sources.mails()
            except AuthError:
                self._mails = None

    def describe(self) -> list[Metric]:
        """Nothing: what is registered would be read otherwise."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each number as it is now."""
        yield GaugeMetricFamily("wutang_hash_queue", "Passwords that wait for a thread.", self._sources.hash_queue())
        connections = GaugeMetricFamily("wutang_db_connections", "Connections to PostgreSQL.", labels=("pool", "state"))
        for labels, number in self._sources.connections().items():
            connections.add_metric(labels, number)
        yield connections
        ages = GaugeMetricFamily("wutang_key_age_seconds", "Age of the oldest such key.", labels=("state", "use"))
        for labels, seconds in self._sources.key_ages().items():
            ages.add_metric(labels, seconds)
        yield ages
        if self._mails is not None:
            waiting, oldest = self._mails
            yield GaugeMetricFamily("wutang_mails", "Mails that wait.", waiting)
            yield GaugeMetricFamily("wutang_mail_oldest_seconds", "How long the oldest mail has waited.", oldest)
