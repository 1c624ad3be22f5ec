"""Histograms, as Prometheus adds them up."""

from prometheus_client import CollectorRegistry

from wutang_auth.observability.histograms import BOUNDS, Histograms


def test_each_bucket_holds_what_is_below_it_and_the_bound_itself() -> None:
    registry = CollectorRegistry()
    histograms = Histograms("wait_seconds", "A wait.", "pool")
    registry.register(histograms)
    for seconds in (0.0, 0.005, 0.0051, 10.0, 11.0):
        histograms.labels("requests").observe(seconds)
    histograms.labels("counters").observe(1.0)

    def below(bound: float | str) -> float | None:
        return registry.get_sample_value("wait_seconds_bucket", {"pool": "requests", "le": str(bound)})

    assert [below(bound) for bound in BOUNDS] == [2, *[3] * 12, 4]
    assert below("+Inf") == registry.get_sample_value("wait_seconds_count", {"pool": "requests"}) == 5
    assert registry.get_sample_value("wait_seconds_sum", {"pool": "requests"}) == 21.0101
    assert registry.get_sample_value("wait_seconds_count", {"pool": "counters"}) == 1
