"""The rules that a bundle must meet. Pure: measured values in, rulings out."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contracts.params import Gates, Limit, ParamsError
from contracts.schema import FeatureSchema
from pipeline.evaluation.comparison import Comparison, mean_excess
from pipeline.evaluation.segments import rank_segments, slice_features
from pipeline.evaluation.texts import short_number

MB = 1_000_000


@dataclass(frozen=True)
class Ruling:
    """`reason` holds what was measured, rounded; never a time, so that verdicts repeat."""

    rule: str
    limit: float | dict[str, float]
    passed: bool
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What rules look at.

    Attributes:
        metrics: of the bundle, as pipeline.evaluation.measures.measure.
        comparison: with the champion, or why there is none.
        latency_ms: median of one-row answers; None = not measured.
        size: of the bundle in bytes.
    """

    schema: FeatureSchema
    metrics: Mapping[str, Any]
    comparison: Comparison | str
    latency_ms: float | None
    size: int


def judge(evidence: Evidence, gates: Gates) -> list[Ruling]:
    """One ruling for each limit that params.yaml sets, in a fixed order.

    Raises:
        ParamsError: a limit names a metric that the bundle's task does not have.
    """
    return [*_judge_metrics(evidence.metrics, gates), *_judge_champion(evidence, gates),
            *_judge_serving(evidence, gates)]  # fmt: skip


def verdict(rulings: list[Ruling]) -> dict[str, Any]:
    """Ready for JSON."""
    return {"passed": all(r.passed for r in rulings), "rules": [asdict(r) for r in rulings]}


def _judge_metrics(metrics: Mapping[str, Any], gates: Gates) -> Iterator[Ruling]:
    for name, limit in gates.metrics.items():
        yield _judge_metric(f"metrics.{name}", name, metrics, limit)
    if gates.calibration_error is not None:
        limit = Limit(max=gates.calibration_error)
        yield _judge_metric("calibration_error", "calibration_error", metrics, limit)


def _judge_metric(rule: str, name: str, metrics: Mapping[str, Any], limit: Limit) -> Ruling:
    value = metrics.get(name)
    bounds = {key: bound for key, bound in (("min", limit.min), ("max", limit.max))
              if bound is not None}  # fmt: skip
    if name not in metrics or isinstance(value, list | dict):
        known = sorted(key for key, v in metrics.items() if not isinstance(v, list | dict))
        raise ParamsError(f"gates.{rule}: this model has no such metric; it has {known}")
    if value is None:
        return Ruling(rule, bounds, False, f"{name} is undefined on the held-out rows")
    low, high = bounds.get("min", value), bounds.get("max", value)
    if low <= value <= high:
        return Ruling(rule, bounds, True, f"{name} is {value}")
    asked = f"at least {low}" if value < low else f"at most {high}"
    return Ruling(rule, bounds, False, f"{name} is {value}, asked for is {asked}")


def _judge_champion(evidence: Evidence, gates: Gates) -> Iterator[Ruling]:
    rules = {"champion_loss": gates.champion_loss, "segment_loss": gates.segment_loss}
    judges = {"champion_loss": _judge_loss, "segment_loss": _judge_segments}
    for rule, limit in rules.items():
        if limit is None:
            continue
        if isinstance(evidence.comparison, str):
            yield Ruling(rule, limit, True, f"not asked: {evidence.comparison}")
        else:
            yield judges[rule](evidence.comparison, evidence.schema, limit)


def _judge_loss(comparison: Comparison, _: FeatureSchema, limit: float) -> Ruling:
    mean, low, high = mean_excess(comparison)
    reason = (
        f"its loss is {mean:+.6f} a row against the champion {comparison.version} "
        f"({low:.6f} to {high:.6f}, {len(comparison.fresh)} rows); {limit:g} more is allowed"
    )
    return Ruling("champion_loss", limit, low <= limit, reason)


def _judge_segments(comparison: Comparison, schema: FeatureSchema, limit: float) -> Ruling:
    slicings = slice_features(comparison.fresh, schema)
    blocks = comparison.judged.blocks
    ranked = rank_segments(comparison.excess, slicings, blocks, against_all=False)
    if not ranked:
        return Ruling("segment_loss", limit, True, "not asked: no segment has enough rows")
    worst = ranked[0]
    reason = (
        f"the segment that is surely worst against the champion {comparison.version}, "
        f"{worst.text}, has {worst.mean:+.6f} loss a row (at least {worst.low:.6f}, {worst.rows} "
        f"rows); at most {limit:g} more is allowed"
    )
    return Ruling("segment_loss", limit, worst.low <= limit, reason)


def _judge_serving(evidence: Evidence, gates: Gates) -> Iterator[Ruling]:
    if gates.latency_ms is not None and evidence.latency_ms is not None:
        passed = evidence.latency_ms <= gates.latency_ms
        word = "within" if passed else "slower than"
        reason = f"one row is answered {word} {short_number(gates.latency_ms)} ms (median)"
        yield Ruling("latency_ms", gates.latency_ms, passed, reason)
    if gates.bundle_mb is not None:
        size = evidence.size / MB
        reason = f"the bundle has {size:.2f} MB, at most {gates.bundle_mb:g} are allowed"
        yield Ruling("bundle_mb", gates.bundle_mb, size <= gates.bundle_mb, reason)
