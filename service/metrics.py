"""What the service counts, one registry per app; /metrics shows it."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contracts.params import ClassLabel

SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
GROUP_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """Counters of one app. Label children are kept: looking them up costs more than counting."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "perennial_requests_total",
            "Requests answered",
            ["route", "method", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "perennial_request_seconds",
            "Time from request to answer",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "perennial_errors_total", "Errors by kind", ["kind"], registry=registry
        )
        self.predictions = Counter(
            "perennial_predictions_total",
            "Rows answered and in the ledger",
            ["version", "prediction"],
            registry=registry,
        )
        self.outcomes = Counter(
            "perennial_outcomes_total", "Outcomes by what became of them", ["status"],
            registry=registry,
        )  # fmt: skip
        self.ledger_queue = Gauge(
            "perennial_ledger_queue", "Rows that wait for the ledger", registry=registry
        )
        self.group_rows = Histogram(
            "perennial_ledger_group_rows", "Rows per commit", buckets=GROUP_ROWS, registry=registry
        )
        self.commit_seconds = Histogram(
            "perennial_ledger_commit_seconds",
            "Time to make a group durable",
            buckets=SECONDS,
            registry=registry,
        )
        self.model_info = Gauge(
            "perennial_model_info", "1 for the version that answers", ["version"],
            registry=registry,
        )  # fmt: skip
        self._requests: dict[tuple[str, str, int], Counter] = {}
        self._seconds: dict[str, Histogram] = {}

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        key = (route, method, status)
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = self.requests.labels(route, method, status)
        histogram = self._seconds.get(route)
        if histogram is None:
            histogram = self._seconds[route] = self.seconds.labels(route)
        counter.inc()
        histogram.observe(seconds)

    def count_predictions(self, version: str, classes: Sequence[ClassLabel]) -> None:
        for label in set(classes):
            self.predictions.labels(version, label).inc(classes.count(label))

    def show_version(self, version: str) -> None:
        self.model_info.clear()
        self.model_info.labels(version).set(1)

    def render(self) -> bytes:
        return generate_latest(self.registry)
