"""What the service counts, one registry per app; /metrics shows it. All: docs/metrics.md."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from contracts.params import ClassLabel
from contracts.vitals import SECONDS
from service.observe.request_counts import RequestCounts
from service.observe.snapshot import Rule
from service.observe.version_counts import VersionCounts

GROUP_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
# Series of the versions before these are dropped, for labels must stay few.
KEPT_VERSIONS = 8
# What several workers' gauges become; the largest, where nothing is said.
GAUGE_RULES: dict[str, Rule] = {
    "perennial_database_reachable": "min",
    "perennial_ledger_queue": "sum",
    "perennial_ledger_unbalanced_rows": "sum",
    "perennial_spool_bytes": "sum",
    "perennial_spool_disk_free_bytes": "min",
    "perennial_spool_rows": "sum",
    "perennial_workers": "sum",
    "process_open_fds": "worker",
    "process_max_fds": "worker",
    "process_resident_memory_bytes": "worker",
    "process_start_time_seconds": "worker",
    "process_virtual_memory_bytes": "worker",
}


class Metrics:
    """Counters of one app.

    Attributes:
        versions: that have answered, the latest last; no other version labels a series.
        shown: what /metrics shows: the registry, or what several workers have together.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody needs its series
        self.registry = registry = CollectorRegistry()
        self.shown: Collector = registry
        self.versions: list[str] = []
        for describe_process in (ProcessCollector, GCCollector, PlatformCollector):
            describe_process(registry=registry)
        self.requests = RequestCounts()
        registry.register(self.requests)
        self.asked = VersionCounts()
        registry.register(self.asked)
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
        self.log_lines_dropped = Counter(
            "perennial_log_lines_dropped_total",
            "Log lines that nobody read in time",
            registry=registry,
        )
        self.shadow_rows = Counter(
            "perennial_shadow_rows_total",
            "Rows that a shadow was asked and whose answers are kept",
            registry=registry,
        )
        self.shadow_dropped = Counter(
            "perennial_shadow_dropped_total",
            "Rows that a shadow was not asked or whose answers are not kept",
            ["reason"],
            registry=registry,
        )
        self.damaged_snapshots = Counter(
            "perennial_metrics_snapshots_damaged_total",
            "Snapshots of workers that could not be read",
            registry=registry,
        )

    def count_predictions(self, version: str, predictions: Sequence[ClassLabel | float]) -> None:
        """Count rows by class; a regression's values are one class, for labels must be few."""
        if isinstance(predictions[0], float):
            self.predictions.labels(version, "value").inc(len(predictions))
            return
        for label in set(predictions):
            self.predictions.labels(version, label).inc(predictions.count(label))

    def know_version(self, version: str) -> None:
        """Let a registered version label series; the one that was here longest makes room."""
        if version in self.versions:
            self.versions.remove(version)
        self.versions.append(version)
        for old in self.versions[:-KEPT_VERSIONS]:
            self.predictions.remove_by_labels({"version": old})
            self.asked.forget(old)
            self.versions.remove(old)

    def render(self) -> bytes:
        return generate_latest(self.shown)
