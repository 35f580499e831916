"""Requests counted for Prometheus at a quarter of its client's cost: one thread, no lock."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.vitals import SECONDS

Times = list[float]  # counts of the bins, and the sum of seconds last
K = TypeVar("K")
_Key = tuple[str, str, int, str | None]


class RequestCounts(Collector):
    """Times by route, method, status and the version that answered, from which all else follows.

    Only the event loop's thread counts.
    """

    def __init__(self) -> None:
        # One more bin than SECONDS, the last is +Inf; version None = no model answered.
        self._times: dict[_Key, Times] = {}

    def count(
        self, route: str, method: str, status: int, seconds: float, version: str | None = None
    ) -> None:
        key = (route, method, status, version)
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = no_times()
        times[bisect_left(SECONDS, seconds)] += 1
        times[-1] += seconds

    def by_version(self) -> dict[str, Times]:
        """Times of each version's requests, over all routes; in the loop's thread."""
        return _summed((v, times) for (*_, v), times in self._times.items() if v is not None)

    def forget_but(self, versions: Collection[str]) -> None:
        """Keep other versions' times as nobody's; in the loop's thread."""
        self._times = _summed(  # assigned at once, for a scrape may be reading
            ((route, method, status, version if version in versions else None), times)
            for (route, method, status, version), times in self._times.items()
        )

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        counted = list(self._times.items())
        requests = CounterMetricFamily(
            "perennial_requests", "Requests answered", labels=["route", "method", "status"]
        )
        for (route, method, status), times in _summed((k[:3], t) for k, t in counted).items():
            requests.add_metric([route, method, str(status)], sum(times[:-1]))
        yield requests
        seconds = HistogramMetricFamily(
            "perennial_request_seconds", "Time from request to answer", labels=["route"]
        )
        for route, times in _summed((key[0], times) for key, times in counted).items():
            seconds.add_metric([route], _cumulative(times[:-1]), times[-1])
        yield seconds


def no_times() -> Times:
    """Of nobody yet."""
    return [*[0] * (len(SECONDS) + 1), 0.0]


def _summed(counted: Iterable[tuple[K, Times]]) -> dict[K, Times]:
    found: dict[K, Times] = {}
    for key, times in counted:
        before = found.get(key) or no_times()
        found[key] = [a + b for a, b in zip(before, times, strict=True)]
    return found


def _cumulative(times: Times) -> list[tuple[str, float]]:
    """Each bound with the number of requests that took at most as long."""
    bounds = [*map(str, SECONDS), "+Inf"]
    counted = list(times)
    return [(bound, sum(counted[: i + 1])) for i, bound in enumerate(bounds)]
