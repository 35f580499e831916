"""How good the answers of a window are likely to be, before its outcomes arrive; pure.

What is to be expected of each row (beliefs.py) follows the newest mature outcomes (offsets.py) and
is summed up (figures.py). The interval comes from how far such estimates were off on windows of the
same length whose outcomes are known (past_windows.py). A change of the target alone shows in no
input: until outcomes arrive it cannot be seen, and the estimate says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from contracts.monitoring_params import EstimateParams
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from monitoring.beliefs import cross_learn, learn
from monitoring.figures import certain, figures
from monitoring.past_windows import MIN_ROWS, Rows, expect, join, misses, move

MIN_BLOCKS = 6  # fewer windows of the past give no interval
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Figure:
    """One estimated figure.

    Attributes:
        low, high: None = too few windows of the past; how far off it is cannot be known.
        usual: out of sample at training.
    """

    value: float
    low: float | None
    high: float | None
    usual: float | None


@dataclass(frozen=True)
class Estimated:
    """What a window's answers are likely to be worth.

    Attributes:
        rows: of the champion in the window.
        figures: `loss`, `brier`, `roc_auc`, as figures.figures; empty = cannot be estimated.
        seen_until: the target is known up to here; None = no outcome has come.
        reasons: sentences: why there is no estimate or interval, and what no estimate can see.
    """

    rows: int
    figures: Mapping[str, Figure]
    seen_until: str | None
    reasons: tuple[str, ...]


def estimate(
    schema: FeatureSchema,
    reference: pd.DataFrame,
    live: pd.DataFrame,
    window: pd.DataFrame,
    until: datetime,
    length: int,
    params: EstimateParams,
    *,
    independent_rows: bool = False,
) -> Estimated:
    """Estimate the figures of a window.

    Args:
        reference: schema.answers (out of sample), the target and schema.timestamp; here and below
            features too for a regression.
        live: the champion's rows with an outcome, since training and in the window too:
            schema.answers, EVENT_TIME, OUTCOME.
        window: the champion's rows: schema.answers, EVENT_TIME.
        until: end of the window, aware.
        length: days of the window.
        independent_rows: whether days do not matter.
    """
    target = schema.target
    mature = live[live[EVENT_TIME] < until - timedelta(days=params.mature_days)]
    seen = None if mature.empty else mature[EVENT_TIME].max().isoformat()
    if len(window) < MIN_ROWS:
        why = f"only {len(window)} rows of the champion in the window; {MIN_ROWS} are needed"
        return Estimated(len(window), {}, seen, (why, _unseen(seen)))
    believe = learn(schema, reference)
    before = days_before(reference[schema.timestamp], until)
    known = _rows(schema, reference, before, cross_learn(schema, reference, before),
                  reference[target.name])  # fmt: skip
    beliefs = believe(mature) if len(mature) else known.beliefs[:0]
    later = _rows(schema, mature, days_before(mature[EVENT_TIME], until), beliefs,
                  mature[OUTCOME])  # fmt: skip
    asked = _rows(schema, window, days_before(window[EVENT_TIME], until), believe(window))
    past = join(known, later)
    moved = move(target.task, past, past, params)
    ahead = move(target.task, asked, past, params, moved)
    estimated = expect(target.task, asked.answers, ahead)
    usual = figures(target.task, known.answers, known.truths)
    length = min(length, -int(asked.days.min()))  # a new champion's rows are of its last days only
    off = misses(target.task, past, moved, length, len(window), independent_rows=independent_rows)
    found = {
        name: _figure(value, usual.get(name), off.get(name, []), params.coverage)
        for name, value in estimated.items()
    }
    blind = [name for name, figure in found.items() if figure.low is None]
    reasons = [_blind(blind)] if blind else []
    return Estimated(len(window), found, seen, (*reasons, _unseen(seen)))


def days_before(times: pd.Series, until: datetime) -> NDArray[np.int64]:
    """Days from `until`, -1 is the last one before it, int64 (n,)."""
    seconds = times.astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    return np.asarray((seconds - int(until.timestamp())) // _DAY_SECONDS)


def _rows(
    schema: FeatureSchema,
    frame: pd.DataFrame,
    days: NDArray[np.int64],
    beliefs: NDArray[np.float64],
    truths: pd.Series | None = None,
) -> Rows:
    answers = frame[schema.answers].to_numpy(float)
    if truths is None:
        return Rows(days, answers, beliefs, np.empty((0, beliefs.shape[1])))
    known = schema.target.truths(truths.tolist())
    return Rows(days, answers, beliefs, certain(schema.target.task, known, answers))


def _figure(value: float, usual: float | None, off: list[float], coverage: float) -> Figure:
    """Student's interval; estimates of the past were off around zero."""
    if len(off) < MIN_BLOCKS:
        return Figure(value, None, None, usual)
    spread = float(np.sqrt(np.mean(np.square(off))))
    half = float(student.ppf((1 + coverage) / 2, len(off))) * spread
    return Figure(value, value - half, value + half, usual)


def _blind(names: list[str]) -> str:
    return (
        f"how far off the estimate of {', '.join(names)} is cannot be known: fewer than "
        f"{MIN_BLOCKS} windows of the past have outcomes"
    )


def _unseen(seen: str | None) -> str:
    since = f"of rows after {seen[:16]}" if seen else "of any row"
    return (
        "a change of the target that the inputs do not show is not detectable until outcomes "
        f"arrive; none {since} has come"
    )
