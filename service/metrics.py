"""What the service counts, one registry per app; /metrics shows it."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contracts.params import ClassLabel
from service.request_counts import SECONDS, RequestCounts

GROUP_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """Counters of one app."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = RequestCounts()
        registry.register(self.requests)
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
        self.shadow_rows = Counter(
            "perennial_shadow_rows_total", "Rows that a shadow was asked too", registry=registry
        )
        self.shadow_dropped = Counter(
            "perennial_shadow_dropped_total",
            "Rows that a shadow was not asked or that were not kept",
            ["reason"],
            registry=registry,
        )
        self.model_info = Gauge(
            "perennial_model_info", "1 for the version that answers", ["version"],
            registry=registry,
        )  # fmt: skip

    def count_predictions(self, version: str, predictions: Sequence[ClassLabel | float]) -> None:
        """Count rows by class; a regression's values are one class, for labels must be few."""
        if isinstance(predictions[0], float):
            self.predictions.labels(version, "value").inc(len(predictions))
            return
        for label in set(predictions):
            self.predictions.labels(version, label).inc(predictions.count(label))

    def show_version(self, version: str) -> None:
        self.model_info.clear()
        self.model_info.labels(version).set(1)

    def render(self) -> bytes:
        return generate_latest(self.registry)
