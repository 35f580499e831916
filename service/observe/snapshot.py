"""The counters of one worker as a file, and the sum of many workers' files; pure functions.

prometheus_client's own multiprocess mode maps files that a kill at the wrong moment leaves in a
state that breaks every later scrape (its issue 1199). A file here is whole or it is skipped.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from prometheus_client import Metric
from prometheus_client.registry import Collector

# What becomes of a gauge that several workers have; "worker" = each keeps its own, by label.
Rule = Literal["sum", "max", "min", "worker"]
Labels = tuple[tuple[str, str], ...]
LASTING = frozenset({"counter", "histogram"})
_CHECKSUM_BYTES = 8


class DamagedSnapshotError(ValueError):
    """A snapshot is empty, cut or altered."""


class Series(msgspec.Struct, frozen=True, array_like=True):
    """One line of /metrics."""

    name: str
    labels: Labels
    value: float


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with all its series."""

    name: str
    kind: str
    help: str
    series: list[Series]


class Snapshot(msgspec.Struct, frozen=True):
    """What one worker counted, in this life and those before."""

    saved_at: float  # seconds since 1970
    families: list[Family]


def take(collector: Collector, now: float) -> Snapshot:
    """What a registry shows at this moment."""
    families = [
        Family(
            metric.name,
            metric.type,
            metric.documentation,
            [
                Series(one.name, tuple(one.labels.items()), float(one.value))
                for one in metric.samples
                if math.isfinite(one.value)  # JSON knows no others
            ],
        )
        for metric in collector.collect()
    ]
    return Snapshot(now, families)


def encode(snapshot: Snapshot) -> bytes:
    content = msgspec.json.encode(snapshot)
    return b"%08x" % zlib.crc32(content) + content


def decode(content: bytes) -> Snapshot:
    """Read what `encode` wrote.

    Raises:
        DamagedSnapshotError: it is something else.
    """
    body = content[_CHECKSUM_BYTES:]
    if content[:_CHECKSUM_BYTES] != b"%08x" % zlib.crc32(body):
        raise DamagedSnapshotError("its checksum does not match")
    try:
        return msgspec.json.decode(body, type=Snapshot)
    except msgspec.DecodeError as error:
        raise DamagedSnapshotError(str(error)) from None


def lasting(snapshot: Snapshot, versions: Iterable[str] | None = None) -> Snapshot:
    """What outlives a process: counters and histograms, of these model versions or of all."""
    kept = None if versions is None else set(versions)
    families = [
        Family(one.name, one.kind, one.help, [s for s in one.series if _of_version(s, kept)])
        for one in snapshot.families
        if one.kind in LASTING
    ]
    return Snapshot(snapshot.saved_at, families)


def versions_in(snapshot: Snapshot) -> list[str]:
    """The model versions that label a series, in order of appearance."""
    labels = (label for family in snapshot.families for s in family.series for label in s.labels)
    return list(dict.fromkeys(value for name, value in labels if name == "version"))


def add(earlier: Snapshot, current: Snapshot) -> Snapshot:
    """One slot's earlier lives and its current one: counters add up, gauges are the current's."""
    metrics = merge([("", earlier), ("", current)], {})
    return take(_Shown(metrics), current.saved_at)


def merge(snapshots: Sequence[tuple[str, Snapshot]], rules: Mapping[str, Rule]) -> list[Metric]:
    """Every worker's series as one.

    Args:
        snapshots: name of the worker and what it has; leave the gauges of dead ones out.
        rules: of gauges, by metric; one without a rule shows its largest value.
    """
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    for worker, snapshot in snapshots:
        for family in snapshot.families:
            families.setdefault(family.name, family)
            found = values.setdefault(family.name, {})
            rule = "sum" if family.kind in LASTING else rules.get(family.name, "max")
            for one in family.series:
                labels = (*one.labels, ("worker", worker)) if rule == "worker" else one.labels
                key = (one.name, labels)
                found[key] = _joined(rule, found[key], one.value) if key in found else one.value
    return [_metric(family, values[name]) for name, family in families.items()]


def _joined(rule: Rule, one: float, other: float) -> float:
    if rule == "sum":
        return one + other
    return min(one, other) if rule == "min" else max(one, other)


def _metric(family: Family, values: Mapping[tuple[str, Labels], float]) -> Metric:
    metric = Metric(family.name, family.help, family.kind)
    for (name, labels), value in values.items():
        metric.add_sample(name, dict(labels), value)
    return metric


def _of_version(series: Series, kept: set[str] | None) -> bool:
    version = dict(series.labels).get("version")
    return kept is None or version is None or version in kept


class _Shown(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
