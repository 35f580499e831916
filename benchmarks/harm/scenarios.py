"""What can happen to a window of flights: what hurts the default model, and what does not.

Which of the two is not written here: the model's loss on the same rows says so, draw by draw.
Half of the kinds chose the settings of monitoring/harm.py, the others are the report.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
Kind = Literal["inputs", "target", "mix"]
LABEL = "late"


@dataclass(frozen=True)
class Scenario:
    """One change.

    Attributes:
        kind: of the inputs (the world stays as it was, its rows come otherwise), of the target, or
            of the mix (other rows, each as true as ever).
        tuned: whether settings were chosen on it.
    """

    name: str
    kind: Kind
    tuned: bool
    into: Change


def _times(column: str, factor: float, plus: float = 0.0) -> Change:
    return lambda rows, _: rows.assign(**{column: rows[column] * factor + plus})


def _mapped(column: str, names: Callable[[str], str]) -> Change:
    return lambda rows, _: rows.assign(**{column: rows[column].map(names)})


def _partly(column: str, share: float, value: object, among: object = None) -> Change:
    def into(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        hit = rng.random(len(rows)) < share
        if among is not None:
            hit &= (rows[column] == among).to_numpy()
        return rows.assign(**{column: rows[column].mask(hit, value)})

    return into


def _swapped(first: str, second: str) -> Change:
    return lambda rows, _: rows.assign(**{first: rows[second], second: rows[first]})


def _shuffled(column: str) -> Change:
    def into(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return rows.assign(**{column: rows[column].to_numpy()[rng.permutation(len(rows))]})

    return into


def _later(hours: int) -> Change:
    return lambda rows, _: rows.assign(sched_dep=(rows.sched_dep + 60 * hours) % 1440)


def _more_late(share: float, carrier: str | None = None) -> Change:
    """So many more of all, or of one carrier's, flights are late."""

    def into(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        among = np.ones(len(rows), bool) if carrier is None else (rows.carrier == carrier)
        free = np.asarray(among) & (rows[LABEL] == 0).to_numpy()
        rate = share * np.sum(among) / max(free.sum(), 1)
        hit = free & (rng.random(len(rows)) < rate)
        return rows.assign(**{LABEL: rows[LABEL].mask(hit, 1)})

    return into


def _flipped(share: float) -> Change:
    def into(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        hit = rng.random(len(rows)) < share
        return rows.assign(**{LABEL: rows[LABEL].mask(hit, 1 - rows[LABEL])})

    return into


def _kept(share: float, which: Callable[[pd.DataFrame], "pd.Series[bool]"] | None = None) -> Change:
    """A random share of the rows, or of some of them, comes; the others are lost."""

    def into(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        lost = rng.random(len(rows)) >= share
        if which is not None:
            lost &= which(rows).to_numpy()
        return rows[~lost]

    return into


def _same(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return rows


SCENARIOS = [
    # Settings were chosen on these.
    Scenario("nothing changes", "mix", True, _same),
    Scenario("distance in km", "inputs", True, _times("distance", 1.609)),
    Scenario("temperature in Celsius", "inputs", True, _times("temp", 1 / 1.8, -32 / 1.8)),
    Scenario("humidity as a share", "inputs", True, _times("humid", 0.01)),
    Scenario("20 % of a carrier a new code", "inputs", True, _partly("carrier", 0.2, "ZZ", "UA")),
    Scenario("two carriers' codes mixed up", "inputs", True,
             _mapped("carrier", lambda c: {"EV": "US", "US": "EV"}.get(c, c))),
    Scenario("half of the gusts missing", "inputs", True, _partly("wind_gust", 0.5, np.nan)),
    Scenario("departure stuck in half of the rows", "inputs", True,
             _partly("sched_dep", 0.5, 360.0)),
    Scenario("half of the rows lost", "mix", True, _kept(0.5)),
    Scenario("hardly any flights of one carrier", "mix", True,
             _kept(0.2, lambda rows: rows.carrier == "UA")),
    Scenario("20 points more late", "target", True, _more_late(0.2)),
    Scenario("25 points more late of one carrier", "target", True, _more_late(0.25, "UA")),
    Scenario("temperature and dew point swapped", "inputs", True, _swapped("temp", "dewp")),
    # These are the report.
    Scenario("only other days", "mix", False, _same),
    Scenario("wind in km/h", "inputs", False, _times("wind_speed", 1.609)),
    Scenario("pressure in inches", "inputs", False, _times("pressure", 0.02953)),
    Scenario("departure in hours", "inputs", False, _times("sched_dep", 1 / 60)),
    Scenario("clock shifted by 5 hours", "inputs", False, _later(5)),
    Scenario("departure and arrival swapped", "inputs", False, _swapped("sched_dep", "sched_arr")),
    Scenario("carriers in lower case", "inputs", False, _mapped("carrier", str.lower)),
    Scenario("destinations renamed", "inputs", False, _mapped("dest", lambda d: f"K{d}")),
    Scenario("humidity stuck", "inputs", False, _partly("humid", 1.0, 90.0)),
    Scenario("20 % of temperatures missing", "inputs", False, _partly("temp", 0.2, np.nan)),
    Scenario("humidity no longer beside its hour", "inputs", False, _shuffled("humid")),
    Scenario("hardly any short flights", "mix", False,
             _kept(0.2, lambda rows: rows.distance < 500)),
    Scenario("hardly any flights before noon", "mix", False,
             _kept(0.2, lambda rows: rows.sched_dep < 720)),
    Scenario("30 points more late of one carrier", "target", False, _more_late(0.3, "B6")),
    Scenario("15 % of the outcomes turned round", "target", False, _flipped(0.15)),
]  # fmt: skip
