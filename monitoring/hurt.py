"""Puts a check's window beside the days before it, and says whether what changed hurts.

All rows are answered anew by the champion as it is, whatever version answered them then, so that a
recalibration in between is no change. Days that it has learned from are left out: on those it looks
better than on any that will come.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from contracts.bundle import Bundle, Model
from contracts.bundle_files import BundleError
from contracts.monitoring_params import Monitoring
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from monitoring.cost import expected_cost, realised_cost
from monitoring.daily import NOTHING, by_days, segments_of
from monitoring.domain import Apart, tell_apart
from monitoring.harm import MIN_DAYS, MIN_WINDOW_DAYS, Harm, judge_harm, too_few_days
from monitoring.repair import Repaired, repair
from monitoring.windows import read_labelled
from monitoring.worth import measure_worth

MOST_ROWS = 15_000  # read with outcomes
MOST_COLUMNS = 20  # the most influential ones
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Seen:
    """n rows with their features, and what the champion answers.

    Attributes:
        days: (n,) since 1970.
        answers: (n, outputs).
        truths: (n,) as Target.truths; (0,) = outcomes are not known.
    """

    rows: pd.DataFrame
    days: NDArray[np.int64]
    answers: NDArray[np.float64]
    truths: NDArray[np.float64]


def find_harm(
    connection: Connection,
    bundle: Bundle,
    window: pd.DataFrame,
    columns: Sequence[str],
    params: Monitoring,
    now: datetime,
    generator: np.random.Generator,
    end: datetime | None = None,
) -> Harm:
    """Judge a window with those outcomes that are mature by now.

    Args:
        window: of windows.read_rows, at least one row.
        columns: features, the most influential first; MOST_COLUMNS are looked at.
        generator: picks rows, and values of the reference that stand in for a column's.
        end: of the window; None = now.
    """
    schema = bundle.schema
    learned = datetime.fromisoformat(bundle.manifest["trained_until"])
    end = end or now
    start = end - timedelta(days=params.window_days)
    since = max(learned, start - timedelta(days=params.performance_days))
    mature = min(end, now - timedelta(days=params.estimate.mature_days))
    rows = read_labelled(connection, mature, since, MOST_ROWS)
    rows = rows[rows[EVENT_TIME] > learned]
    inside = rows[EVENT_TIME] >= start
    days = len(np.unique(_days(rows[~inside])))
    if days < MIN_DAYS:
        return too_few_days(days)
    try:
        model = bundle.model()
    except BundleError as error:
        return Harm("not enough data", (f"harm not judged: {error}",))
    columns = columns[:MOST_COLUMNS]
    past, judged = _see(model, schema, rows[~inside]), rows[inside]
    if len(np.unique(_days(judged))) < MIN_WINDOW_DAYS:
        # Before outcomes the answers of all rows tell as much as they can.
        judged = window.iloc[np.sort(generator.permutation(len(window))[:MOST_ROWS])]
    seen = _see(model, schema, judged)
    found = judge_window(model, schema, columns, past, seen, generator)
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    worth = measure_worth(model, schema, columns, (past.rows, past.truths), reference,
                          generator)  # fmt: skip
    return replace(found, weights=worth)


def judge_window(
    model: Model,
    schema: FeatureSchema,
    columns: Sequence[str],
    past: Seen,
    window: Seen,
    generator: np.random.Generator,
) -> Harm:
    """Repair the window's rows, and judge what the columns that broke, and the target, cost.

    Args:
        columns: features that may be found broken.
        past: with truths.
    """
    sides = (past.rows, past.days), (window.rows, window.days)
    return weigh(model, schema, past, window, repair(schema, columns, *sides, generator))


def weigh(
    model: Model, schema: FeatureSchema, past: Seen, window: Seen, repaired: Repaired
) -> Harm:
    """Judge the window beside its rows repaired.

    Args:
        past: with truths.
    """
    answers = window.answers
    if repaired.broken:
        answers = model.answers(*schema.to_matrices(repaired.rows)).astype(float)
    came, broken = window.answers, repaired.broken
    segments = segments_of(schema, past.rows)
    usual = by_days(schema, segments, past.rows, past.days, past.truths, past.answers)
    numbers = schema.target.task == "regression"
    if not len(window.truths):
        cost = expected_cost(schema, broken, came, answers, past.truths, past.answers)
        return judge_harm(usual, NOTHING, cost, numbers=numbers)
    cost = realised_cost(schema, broken, window.truths, window.days, came, answers)
    now = by_days(schema, segments, window.rows, window.days, window.truths, came)
    return judge_harm(usual, now, cost, numbers=numbers)


def look_apart(
    bundle: Bundle, window: pd.DataFrame, causes: Sequence[str], generator: np.random.Generator
) -> Apart | None:
    """Whether a classifier tells the window's rows from the reference's.

    Args:
        causes: columns to look at first.
    """
    schema = bundle.schema
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    before = (reference, _days(reference, schema.timestamp))
    columns = dict.fromkeys([*causes, *schema.names])
    return tell_apart(schema, list(columns), before, (window, _days(window)), generator)


def _see(model: Model, schema: FeatureSchema, rows: pd.DataFrame) -> Seen:
    """Rows, their outcomes if they have any; features that are absent are missing."""
    asked = rows.reindex(columns=[*schema.names, EVENT_TIME])
    answers = model.answers(*schema.to_matrices(asked)).astype(float)
    truths = schema.target.truths(rows[OUTCOME].tolist()) if OUTCOME in rows else np.empty(0)
    return Seen(asked, _days(rows), answers, truths)


def _days(rows: pd.DataFrame, column: str = EVENT_TIME) -> NDArray[np.int64]:
    seconds = rows[column].astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    return np.asarray(seconds // _DAY_SECONDS)
