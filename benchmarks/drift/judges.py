"""Who judges a window: this product, and Evidently as it comes."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.drift.data import Table
from contracts.profiles import Bins
from monitoring.drift_state import Limits, assess
from monitoring.faults import know, look_for_faults
from monitoring.significance import judge

DRAWS = 1000  # the product draws ten times as many; here there are thousands of windows


@dataclass(frozen=True)
class Found:
    """Whether a window is an alarm, and what it names, the gravest first; () = nothing is named."""

    alarm: bool
    causes: tuple[str, ...] = ()


Judge = Callable[[Table], Found]


def ours(
    bins: list[Bins],
    reference: Table,
    rate: float,
    generator: np.random.Generator,
    *,
    independent_rows: bool = False,
) -> Judge:
    """The product's two looks at a window: faults of the data, and the test."""
    limits = Limits(rate, false_discovery_rate=0.05, least_effect=0.02)
    profile = reference.sample.profile(bins)
    known = know(bins, reference.sample, profile)

    def look(window: Table) -> Found:
        faults = look_for_faults(known, window.sample)
        test = judge(
            bins, profile, window.sample.profile(bins), generator,
            independent_rows=independent_rows, draws=DRAWS,
        )  # fmt: skip
        drift = assess(test, faults, limits)
        return Found(drift.state in ("watch", "alarm"), drift.causes)

    return look


def evidently_default(reference: Table) -> Judge:
    """DataDriftPreset with nothing set: an alarm where it flags any column."""
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    def look(window: Table) -> Found:
        after = window.frame().dropna(axis="columns", how="all")  # it raises on an empty column
        before = reference.frame()[list(after.columns)]
        definition = DataDefinition(
            numerical_columns=[name for name in after.columns if name not in reference.text],
            categorical_columns=[name for name in after.columns if name in reference.text],
        )
        sides = [Dataset.from_pandas(each, data_definition=definition) for each in (after, before)]
        found = Report([DataDriftPreset()]).run(*sides).dict()["metrics"][0]["value"]
        return Found(found["count"] > 0)

    return look
