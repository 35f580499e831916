"""Requests counted for Prometheus at a quarter of its client's cost: one thread, no lock."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# Upper bounds, seconds.
SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestCounts(Collector):
    """Counts by route, method and status, times by route; only the event loop's thread counts."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times: dict[str, list[int]] = {}  # one more than SECONDS: the last is +Inf
        self._sums: dict[str, float] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        key = (route, method, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0] * (len(SECONDS) + 1)
            self._sums[route] = 0.0
        times[bisect_left(SECONDS, seconds)] += 1
        self._sums[route] += seconds

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        requests = CounterMetricFamily(
            "perennial_requests", "Requests answered", labels=["route", "method", "status"]
        )
        for (route, method, status), number in list(self._requests.items()):
            requests.add_metric([route, method, str(status)], number)
        yield requests
        seconds = HistogramMetricFamily(
            "perennial_request_seconds", "Time from request to answer", labels=["route"]
        )
        for route, times in list(self._times.items()):
            seconds.add_metric([route], _cumulative(times), self._sums[route])
        yield seconds


def _cumulative(times: list[int]) -> list[tuple[str, float]]:
    """Each bound with the number of requests that took at most as long."""
    bounds = [*map(str, SECONDS), "+Inf"]
    counted = list(times)
    return [(bound, sum(counted[: i + 1])) for i, bound in enumerate(bounds)]
