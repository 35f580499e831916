"""Holds what was compared against the limits of params.yaml. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from contracts.replay_params import AnotherModel, Replay, Slower
from deploy.replaying.compare import Compared
from deploy.replaying.scores import Difference


@dataclass(frozen=True)
class Check:
    """One figure and its limit; `passed` None = it has none, or could not be measured."""

    name: str
    seen: str
    limit: str
    passed: bool | None


def judge(found: Compared, params: Replay) -> list[Check]:
    """Every check, in the order of a report; the gate fails if one of them did."""
    checks = [_answered(found, params), _served(found, params)]
    if found.difference is not None:
        checks += _scores(found, found.difference, params)
    return [*checks, _loss(found, params), *_times(found, params), _memory(found, params)]


def has_passed(checks: list[Check]) -> bool:
    return all(check.passed is not False for check in checks)


def _answered(found: Compared, params: Replay) -> Check:
    """Rows that the champion answered and the candidate did not."""
    failures = [f for n, f in found.candidate.failures.items() if n in found.champion.answers]
    told = [f"{failure.row.name}: {failure.told}" for failure in failures[:1]]
    told += found.candidate.together[:1] + ([found.ended] if found.ended else [])
    is_well = len(failures) <= params.failed and not found.candidate.together and not found.ended
    seen = f"{len(failures)} rows" + ("; " + "; ".join(told) if told else "")
    return Check("rows that only the candidate fails", seen, f"{params.failed}", is_well)


def _served(found: Compared, params: Replay) -> Check:
    """The image beside its own bundle."""
    served = found.served
    where = f", {served.row.name}" if served.row and served.difference > params.serving else ""
    seen = f"{served.difference:.3g}{where}"
    passed = served.difference <= params.serving if served.row else None
    return Check("image against its own bundle", seen, f"{params.serving:g}", passed)


def _scores(found: Compared, difference: Difference, params: Replay) -> Iterator[Check]:
    shifts = difference.shifts
    worst = int(np.abs(shifts).argmax())
    named = f", {difference.rows[worst].name}" if shifts[worst] else ""
    largest = float(np.abs(shifts[worst]))
    flips = float(difference.flips.mean())
    flipped = f"{int(difference.flips.sum())} of {len(shifts)}, {flips:.2%}"
    if found.same_model:
        same = params.same_model
        yield Check("flipped decisions", flipped, f"{same.flips:.2%}", flips <= same.flips)
        yield Check("largest shift of a score", f"{largest:.3g}{named}", f"{same.shift:g}",
                    largest <= same.shift)  # fmt: skip
        return
    another = params.another_model
    yield Check("flipped decisions", flipped, *_limit(flips, another.flips, "{:.2%}"))
    yield Check("largest shift of a score", f"{largest:.3g}{named}", "", None)
    yield from _moved(found, float(shifts.mean()), another)


def _moved(found: Compared, mean: float, limits: AnotherModel) -> Iterator[Check]:
    """How far a retrained model's scores went as a whole, and in the segment where most."""
    yield Check("mean shift", f"{mean:+.4f}", *_limit(abs(mean), limits.mean_shift, "{:g}"))
    yield Check("distance of distributions", f"{found.distance:.3f}",
                *_limit(found.distance, limits.distance, "{:g}"))  # fmt: skip
    for segment in found.segments[:1]:
        seen = f"{segment.mean_shift:+.4f}, {segment.column} {segment.category}"
        limit = _limit(abs(segment.mean_shift), limits.segment_shift, "{:g}")
        yield Check("mean shift of a segment", seen, *limit)


def _limit(value: float, limit: float | None, form: str) -> tuple[str, bool | None]:
    return ("", None) if limit is None else (form.format(limit), value <= limit)


def _loss(found: Compared, params: Replay) -> Check:
    name = "loss on outcomes"
    if found.loss is None:
        return Check(name, "no row has an outcome", "", None)
    rows, before, after = found.loss
    cost = (after - before) / before if before else float(after > before)
    seen = f"{before:.4f} to {after:.4f}, {cost:+.1%}, {rows} rows"
    if found.same_model:
        return Check(name, seen, "", None)
    return Check(name, seen, *_limit(cost, params.another_model.cost, "{:+.1%}"))


def _times(found: Compared, params: Replay) -> Iterator[Check]:
    if found.times is None:
        yield Check("latency", "not measured: the candidate did not last", "", None)
        return
    before, after = found.times
    yield _slower("latency p50", before.p50, after.p50, params.latency.p50)
    yield _slower("latency p99", before.p99, after.p99, params.latency.p99)


def _slower(name: str, before: float, after: float, limit: Slower) -> Check:
    passed = after <= before * limit.ratio or after - before <= limit.least_ms
    seen = f"{before:.2f} to {after:.2f} ms, x{after / before:.2f}"
    return Check(name, seen, f"x{limit.ratio:g} and +{limit.least_ms:g} ms", passed)


def _memory(found: Compared, params: Replay) -> Check:
    if found.peak_mb is None:
        return Check("peak memory", "not measured: the candidate did not last", "", None)
    before, after = found.peak_mb
    limit = params.memory
    passed = after <= before * limit.ratio or after - before <= limit.least_mb
    seen = f"{before:.0f} to {after:.0f} MB, x{after / before:.2f}"
    return Check("peak memory", seen, f"x{limit.ratio:g} and +{limit.least_mb:g} MB", passed)
