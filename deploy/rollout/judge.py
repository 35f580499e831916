"""Whether a release may go on: pure functions of answers and counters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import correlation, fmean, pstdev
from typing import Any

Replica = Mapping[str, Any]  # as probes/vitals.py prints it


@dataclass(frozen=True)
class Limits:
    """What is still good.

    Attributes:
        flips: share of rows whose class changed.
        shift: of the mean score, in standard deviations of the present scores.
        correlation: least of present and new scores.
        errors: share of requests that fail, above the present release's share.
        slower: p95 of the time to answer, as a multiple of the present release's.
        seconds: a p95 below this is never slow.
        late: fewer requests that took too long are chance.
        requests: fewer of the present release's are nothing to compare with.
    """

    flips: float = 0.25
    shift: float = 1.0
    correlation: float = 0.5
    errors: float = 0.01
    slower: float = 3.0
    seconds: float = 0.1
    late: int = 5
    requests: int = 20


# The same model has to answer the same, but for what processors round.
SAME_MODEL = Limits(flips=0.001, shift=0.001, correlation=0.999)


def compare(
    present: Sequence[tuple[Any, float]], new: Sequence[tuple[Any, float]], limits: Limits
) -> tuple[dict[str, float], list[str]]:
    """Figures and problems of (prediction, score) for the same rows, in the same order."""
    old_scores, new_scores = [float(s) for _, s in present], [float(s) for _, s in new]
    spread = pstdev(old_scores)
    pairs = list(zip(present, new, strict=True))
    classes = any(was != score for was, score in present)  # else a regression
    figures = {
        "rows": len(pairs),
        "flips": fmean(was != now for (was, _), (now, _) in pairs) if classes else 0.0,
        "shift": abs(fmean(new_scores) - fmean(old_scores)) / (spread or 1.0),
        "correlation": _correlation(old_scores, new_scores),
    }
    problems = [
        f"{name} {figures[name]:.3f} is {'below' if name == 'correlation' else 'above'} {limit}"
        for name, limit, bad in (
            ("flips", limits.flips, figures["flips"] > limits.flips),
            ("shift", limits.shift, figures["shift"] > limits.shift),
            ("correlation", limits.correlation, figures["correlation"] < limits.correlation),
        )
        if bad
    ]
    return figures, problems


def _correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Pearson's; 1 where both are constant and the same, 0 where one alone is constant."""
    if pstdev(left) * pstdev(right) == 0:
        return float(list(left) == list(right))
    return correlation(left, right)


@dataclass(frozen=True)
class Traffic:
    """What replicas of one release did between two looks."""

    requests: float
    failed: float  # 5xx, and rows without a finite answer
    times: Mapping[float, float] = field(default_factory=dict)  # seconds -> requests up to that

    @property
    def p95(self) -> float | None:
        """The upper edge of the bucket in which the 95th of 100 requests is; None = no requests."""
        total = max(self.times.values(), default=0.0)
        if total == 0:
            return None
        return min(edge for edge, count in self.times.items() if count >= 0.95 * total)

    def later_than(self, seconds: float) -> float:
        """Requests that certainly took longer."""
        total = max(self.times.values(), default=0.0)
        return total - min((n for edge, n in self.times.items() if edge >= seconds), default=total)


def traffic(before: Sequence[Replica], after: Sequence[Replica]) -> Traffic:
    """The sum of what grew; a replica that was not there before, or began anew, counts from 0."""
    earlier = {one["address"]: one for one in before if "requests" in one}
    requests = failed = 0.0
    buckets: dict[float, float] = {}
    for now in (one for one in after if "requests" in one):
        was = earlier.get(now["address"], {})
        if was.get("process_start_time_seconds") != now.get("process_start_time_seconds"):
            was = {}
        requests += now["requests"] - was.get("requests", 0.0)
        failed += sum(now[kind] - was.get(kind, 0.0) for kind in ("errors", "failures"))
        for edge, count in now["buckets"].items():
            grown = count - was.get("buckets", {}).get(edge, 0.0)
            buckets[float(edge)] = buckets.get(float(edge), 0.0) + grown
    return Traffic(requests, failed, buckets)


def watch(
    first: Sequence[Replica], now: Sequence[Replica], new: Traffic, old: Traffic, limits: Limits
) -> list[str]:
    """Problems of the new release's replicas: state by state, then errors and times.

    Args:
        first: the new replicas when the watch began.
        now: the same at this moment.
        old: what the present release did in the same time, or when it last had requests.
    """
    problems = [
        f"{one['address']} is not ready: {one['problem']}" for one in now if not one["ready"]
    ]
    starts = {one["address"]: one.get("process_start_time_seconds") for one in first}
    if {one["address"]: one.get("process_start_time_seconds") for one in now} != starts:
        problems.append("a replica ended or began anew")
    for gauge in ("perennial_check_alarm", "perennial_champion_problem"):
        if _most(now, gauge) > _most(first, gauge):
            problems.append(f"{gauge} rose")
    share = new.failed / new.requests if new.requests else 0.0
    usual = old.failed / old.requests if old.requests else 0.0
    if share > usual + limits.errors:
        problems.append(f"{share:.1%} of {new.requests:.0f} requests failed, before {usual:.1%}")
    return problems + _slow(new, old, limits)


def _most(replicas: Sequence[Replica], gauge: str) -> float:
    return max((one.get(gauge, 0.0) for one in replicas), default=0.0)


def _slow(new: Traffic, old: Traffic, limits: Limits) -> list[str]:
    if new.p95 is None:
        return []
    # Without requests to compare with, only what is slow by itself is.
    bar = max(limits.seconds, limits.slower * old.p95 if old.p95 not in (None, math.inf) else 0.0)
    said = "" if old.p95 is None else f", before {old.p95:g} s"
    slow = new.p95 > bar and new.later_than(bar) >= limits.late
    return [f"p95 of /predict is {new.p95:g} s{said}"] if slow else []
