"""What a service shows to Prometheus, as tests read it."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from wutang_auth.observability import scraping

FIRST_PORT = 39_464


@dataclass
class Numbers:
    """One answer to Prometheus."""

    text: str

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        return sum(value for found, value in self.samples(name) if labels.items() <= found.items())

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each sample of this name."""
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name
        ]

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has."""
        return {labels[label] for labels, _ in self.samples(name)}


async def scrape(url: str) -> Numbers:
    """What Prometheus would read."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Numbers(answer.text)


def urls_in(log: str) -> list[str]:
    """Where the services that wrote this log show their metrics."""
    return re.findall(r"metrics at (http://\S+/metrics)", log)


async def urls_of_workers(log: Path, number: int) -> list[str]:
    """Where so many workers show theirs, as soon as all of them have said so."""
    while len(urls := sorted(set(urls_in(log.read_text())))) < number:  # noqa: ASYNC110, ASYNC240 -- another process
        await asyncio.sleep(0.05)
    return urls


@contextmanager
def metrics_urls() -> Iterator[Callable[[], list[str]]]:
    """Where the services that start within the block show their metrics."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # it is ours
    level = scraping.logger.level
    scraping.logger.addHandler(handler)
    scraping.logger.setLevel(logging.INFO)
    try:
        yield lambda: urls_in("\n".join(lines))
    finally:
        scraping.logger.removeHandler(handler)
        scraping.logger.setLevel(level)
