"""All faults of the data in a window: of its newest block, and of the window as a whole.

First those of single columns, then relations between columns that have none: a column whose unit
changed no longer goes with any other, which need not be told again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import Bins, Profile, count
from monitoring.broken import judge_relation, relation_faults
from monitoring.exact import Numbers, value_faults
from monitoring.pairs import MOST_COLUMNS, Coded, Pair, choose_pairs, group_values
from monitoring.quality import MIN_ROWS, Fault, find_faults
from monitoring.runs import runs_like
from monitoring.vanished import vanished


@dataclass(frozen=True)
class Sample:
    """Rows whose columns have the types that bins take.

    Attributes:
        columns: name -> (n,); one may be absent.
        blocks: (n,) the number of each row's block.
    """

    columns: Mapping[str, Any]
    blocks: NDArray[np.int64]

    def profile(self, bins: Sequence[Bins]) -> Profile:
        return count(bins, self.columns, self.blocks)

    def newest(self) -> "Sample | None":
        """Rows of the newest block that has MIN_ROWS; None = there is none."""
        blocks, rows = np.unique(self.blocks, return_counts=True)
        full = blocks[rows >= MIN_ROWS]
        if not len(full):
            return None
        kept = self.blocks == full[-1]
        return Sample({n: v[kept] for n, v in self.columns.items()}, self.blocks[kept])


@dataclass(frozen=True)
class Known:
    """What the reference is like.

    Attributes:
        groups: name -> the group of each bin, as relations look at them.
        pairs: columns that hang together.
    """

    bins: Sequence[Bins]
    rows: Sample
    profile: Profile
    coded: Coded
    groups: Mapping[str, NDArray[np.intp]]
    pairs: Sequence[Pair]


def know(bins: Sequence[Bins], rows: Sample, profile: Profile) -> Known:
    """Look at the reference once.

    Args:
        profile: of the rows, in these bins.
    """
    groups = {one.name: group_values(one, profile.counts[one.name].sum(axis=0)) for one in bins}
    coded = _code(bins, groups, rows)
    return Known(bins, rows, profile, coded, groups, choose_pairs(coded))


def look_for_faults(known: Known, window: Sample) -> list[Fault]:
    """Faults of the window, of each column and kind the first found; the gravest first."""
    newest = window.newest()
    if newest is None:
        return []
    parts = [newest] if len(newest.blocks) == len(window.blocks) else [newest, window]
    found = [fault for part in parts for fault in _of_columns(known, part)]
    known_bad = {fault.column for fault in found}
    found += [fault for part in parts for fault in _of_pairs(known, part, known_bad)]
    first: dict[tuple[str, str], Fault] = {}
    for fault in found:
        first.setdefault((fault.column, fault.kind), fault)
    return sorted(first.values(), key=lambda fault: -fault.gravity)


def _of_columns(known: Known, window: Sample) -> list[Fault]:
    profile = window.profile(known.bins)
    found = find_faults(known.bins, known.profile, profile)
    runs = runs_like(known.profile.blocks, profile.blocks)
    first = np.zeros(len(window.blocks), np.intp)
    for one in known.bins:
        if not one.ordered:
            now = profile.counts[one.name].sum(axis=0).astype(float)
            found += vanished(one, known.profile.counts[one.name].astype(float), now, runs)
        elif one.name in window.columns and one.name in known.rows.columns:
            # Made anew for each look: those of all columns of a wide table are large.
            coded, columns = known.coded, known.rows.columns
            before = Numbers.of(columns[one.name], coded.at, coded.blocks)
            after = Numbers.of(window.columns[one.name], first, 1)
            found += value_faults(one.name, before, after, runs)
    return found


def _of_pairs(known: Known, window: Sample, known_bad: set[str]) -> Iterator[Fault]:
    pairs = [pair for pair in known.pairs if not known_bad.intersection(pair)]
    profile = window.profile(known.bins)
    runs = runs_like(known.profile.blocks, profile.blocks)
    coded = _code(known.bins, known.groups, window)
    judged = (judge_relation(pair, known.coded, coded, runs) for pair in pairs)
    relations = [each for each in judged if each is not None]
    return relation_faults(known.bins, (known.profile, profile), relations, runs)


def _code(bins: Sequence[Bins], groups: Mapping[str, NDArray[np.intp]], rows: Sample) -> Coded:
    blocks, at = np.unique(rows.blocks, return_inverse=True)
    codes = {
        one.name: groups[one.name][one.places(rows.columns[one.name])]
        for one in bins[:MOST_COLUMNS]
        if one.name in rows.columns
    }
    sizes = {name: int(each.max()) + 1 for name, each in groups.items()}
    return Coded(codes, at, len(blocks), sizes)
