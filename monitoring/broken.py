"""Which relations between columns a window has lost, and the column that is to blame.

Of a pair either may be wrong: rather a column most of whose pairs are broken than one that still
goes with its others, and among equals the one whose own values moved further.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.profiles import Bins, Profile
from monitoring.divergence import distance
from monitoring.pairs import LEAST_WORTH, Coded, Pair, what_is_left
from monitoring.quality import FACTOR, MIN_ROWS, Fault
from monitoring.runs import FEWEST_RUNS, Runs

CLOSE = 0.5  # nats; what is looser changes by itself, as timetables do, and is but a witness
STEADY = 0.5  # of a relation is left in every run: then
HALF = 0.5  # of that is asked for
LOOSE_FACTOR = 2.0  # else rows have to be paired against it, and so much more than in any run
LOST_MARGIN = 0.1
_NOISE = 3.0  # standard errors


@dataclass(frozen=True)
class Relation:
    """A pair of columns in a window.

    Attributes:
        lost: share of their relation that is lost; above 1 where rows are paired against it.
        usual: the same of the worst run.
        broken: whether that is too much.
        close: whether it is a fault then.
    """

    pair: Pair
    lost: float
    usual: float
    broken: bool
    close: bool


def relation_faults(
    bins: Sequence[Bins],
    profiles: tuple[Profile, Profile],
    relations: Sequence[Relation],
    runs: Runs,
) -> Iterator[Fault]:
    """One fault for each column that is to blame, the gravest first.

    Args:
        profiles: of reference and window.
        relations: those that could be judged.
    """
    broken = [each for each in relations if each.broken and each.close]
    moved = {
        one.name: _moved(one, *profiles, runs)
        for one in bins
        if any(one.name in each.pair for each in broken)
    }
    while broken:
        names = sorted({name for each in broken for name in each.pair})
        name = max(names, key=lambda name: _blame(name, relations, moved))
        worst = max((each for each in broken if name in each.pair), key=lambda each: each.lost)
        other = worst.pair[1 - worst.pair.index(name)]
        yield Fault(name, "relation", worst.lost, worst.usual, other)
        broken = [each for each in broken if name not in each.pair]


def judge_relation(pair: Pair, before: Coded, after: Coded, runs: Runs) -> Relation | None:
    """None = rows, or runs in which the relation can show, are too few to judge it."""
    if any(name not in after.codes for name in pair):
        return None
    rows, found = before.joint(pair), after.joint(pair).sum(axis=0)
    whole, each = rows.sum(axis=0), runs.sums(rows)
    if found.sum() < MIN_ROWS:
        return None
    usual, now = what_is_left(each, whole - each), what_is_left(found, whole)
    middle = float(np.median(usual.expected))
    room, close = max(LEAST_WORTH, middle / 2), middle >= CLOSE
    told = (usual.expected >= room) & (each.sum(axis=(-2, -1)) >= MIN_ROWS)
    if told.sum() < max(FEWEST_RUNS, len(runs) / 2) or now.expected < room:
        return None
    least = float((usual.held[told] / usual.expected[told]).min())
    left = float((now.held + _NOISE * now.error) / now.expected)
    usual_lost = max(0.0, 1 - least)
    if least >= STEADY:
        limit = max(HALF * least, 1 - FACTOR * usual_lost - LOST_MARGIN)
    else:
        limit = 1 - LOOSE_FACTOR * usual_lost - LOST_MARGIN
    return Relation(pair, 1 - float(now.held / now.expected), usual_lost, left < limit, close)


def _moved(one: Bins, reference: Profile, window: Profile, runs: Runs) -> float:
    """How far a column's own values moved, in the farthest that a run did."""
    before = reference.counts[one.name].astype(float)
    after = window.counts[one.name].sum(axis=0).astype(float)
    whole, each = before.sum(axis=0), runs.sums(before)
    usual = float(distance(whole - each, each, ordered=one.ordered).max())
    return float(distance(whole, after, ordered=one.ordered)) / max(usual, 1e-6)


def _blame(
    name: str, relations: Sequence[Relation], moved: Mapping[str, float]
) -> tuple[float, float]:
    judged = [each for each in relations if name in each.pair]
    share = sum(each.broken for each in judged) / len(judged)
    return round(share, 3), moved[name]
