"""Histograms of durations: to add to one takes half a microsecond, in prometheus_client's own two."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds, as OpenTelemetry advises for requests."""
_LE = (*map(str, BOUNDS), "+Inf")


class Histogram:
    """How many durations fell between which bounds; only the thread of the event loop adds to it."""

    __slots__ = ("_counts", "_seconds")

    def __init__(self) -> None:
        self._counts = [0] * len(_LE)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Add a duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def add_to(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        """Show it as Prometheus has it: each bucket holds those below it too."""
        family.add_metric(labels, list(zip(_LE, accumulate(self._counts), strict=True)), self._seconds)


class Histograms(Collector):
    """A metric: a histogram for each combination of the values of its labels."""

    def __init__(self, name: str, what: str, *labels: str) -> None:
        self._name, self._what, self._labels = name, what, labels
        self._histograms: dict[tuple[object, ...], Histogram] = {}

    def labels(self, *values: object) -> Histogram:
        """The histogram of these values."""
        found = self._histograms.get(values)
        if found is None:
            found = self._histograms[values] = Histogram()
        return found

    def describe(self) -> list[Metric]:
        """What it is, without a value."""
        return [HistogramMetricFamily(self._name, self._what, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        """All of them as they are now."""
        family = HistogramMetricFamily(self._name, self._what, labels=self._labels)
        for values, histogram in list(self._histograms.items()):
            histogram.add_to(family, [str(value) for value in values])
        yield family
