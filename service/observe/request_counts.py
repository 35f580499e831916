"""Requests counted for Prometheus at a quarter of its client's cost: one thread, no lock."""

from bisect import bisect_left
from collections.abc import Collection, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.vitals import SECONDS

Times = list[float]  # counts of the bins, and the sum of seconds last


class RequestCounts(Collector):
    """Counts by route, method and status, times by route and the version that answered.

    Only the event loop's thread counts.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        # One more than SECONDS, the last is +Inf, then the sum; version None = no model answered.
        self._times: dict[tuple[str, str | None], Times] = {}

    def count(
        self, route: str, method: str, status: int, seconds: float, version: str | None = None
    ) -> None:
        key = (route, method, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get((route, version))
        if times is None:
            times = self._times[route, version] = no_times()
        times[bisect_left(SECONDS, seconds)] += 1
        times[-1] += seconds

    def by_version(self) -> dict[str, Times]:
        """Times of each version's requests, over all routes; in the loop's thread."""
        found: dict[str, Times] = {}
        for (_, version), times in self._times.items():
            if version is not None:
                found[version] = _sum(found.get(version, no_times()), times)
        return found

    def forget_but(self, versions: Collection[str]) -> None:
        """Keep other versions' times as nobody's; in the loop's thread."""
        kept: dict[tuple[str, str | None], Times] = {}
        for (route, version), times in self._times.items():
            key = (route, version if version in versions else None)
            kept[key] = _sum(kept.get(key, no_times()), times)
        self._times = kept  # at once, for a scrape may be reading

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
        by_route: dict[str, Times] = {}
        for (route, _), times in list(self._times.items()):
            by_route[route] = _sum(by_route.get(route, no_times()), times)
        for route, times in by_route.items():
            seconds.add_metric([route], _cumulative(times[:-1]), times[-1])
        yield seconds


def no_times() -> Times:
    """Of nobody yet."""
    return [*[0] * (len(SECONDS) + 1), 0.0]


def _sum(one: Times, other: Times) -> Times:
    return [a + b for a, b in zip(one, other, strict=True)]


def _cumulative(times: Times) -> list[tuple[str, float]]:
    """Each bound with the number of requests that took at most as long."""
    bounds = [*map(str, SECONDS), "+Inf"]
    counted = list(times)
    return [(bound, sum(counted[: i + 1])) for i, bound in enumerate(bounds)]
