"""What each version's model did with the requests that the ledger asked it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class Asked:
    """Of one version, since the start.

    Attributes:
        requests, rows: that it answered.
        failed: requests in which it raised an error.
        not_finite: requests in which it had no finite answer for a row.
        seconds: processor time of its calls, once for each request that waited for one. Not time
            on the clock: that a machine is busy says nothing about a model.
    """

    requests: int = 0
    rows: int = 0
    failed: int = 0
    not_finite: int = 0
    seconds: float = 0.0


class VersionCounts(Collector):
    """Only the ledger's thread counts; once a group, not once a request."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    def note_answered(self, version: str, requests: int, rows: int, seconds: float) -> None:
        """Count a group that is on disk; `seconds` is the model's processor time for all of it."""
        asked = self._of(version)
        asked.requests += requests
        asked.rows += rows
        asked.seconds += seconds * requests

    def note_unanswered(self, version: str, failed: int, not_finite: int) -> None:
        """Count requests that the model did not answer."""
        asked = self._of(version)
        asked.failed += failed
        asked.not_finite += not_finite

    def forget(self, version: str) -> None:
        """Drop a version that has not answered for long."""
        self._asked.pop(version, None)

    def by_version(self) -> dict[str, Asked]:
        """As it is now; from any thread."""
        return {version: replace(asked) for version, asked in list(self._asked.items())}

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        failures = CounterMetricFamily(
            "perennial_model_failures",
            "Requests that a version's model did not answer",
            labels=["version", "kind"],
        )
        seconds = CounterMetricFamily(
            "perennial_model_seconds",
            "Processor time of the model's calls, once for each request that waited for one",
            labels=["version"],
        )
        for version, asked in self.by_version().items():
            failures.add_metric([version, "failed"], asked.failed)
            failures.add_metric([version, "not_finite"], asked.not_finite)
            seconds.add_metric([version], asked.seconds)
        yield failures
        yield seconds

    def _of(self, version: str) -> Asked:
        asked = self._asked.get(version)
        if asked is None:
            asked = self._asked[version] = Asked()
        return asked
