"""Puts a check's window beside the days before it, and says whether what changed hurts.

All rows are answered anew by the champion as it is, whatever version answered them then, so that a
recalibration in between is no change. Days that it has learned from are left out: on those it looks
better than on any that will come.
"""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from contracts.bundle import Bundle, Model
from contracts.bundle_files import BundleError
from contracts.monitoring_params import Monitoring
from contracts.schema import EVENT_TIME, OUTCOME
from monitoring.domain import Apart, tell_apart
from monitoring.harm import MIN_DAYS, MIN_WINDOW_DAYS, Harm, judge_harm, too_few_days
from monitoring.influence import measure_influence
from monitoring.unlike import unlike_before
from monitoring.windows import read_labelled
from monitoring.worth import (
    MOST_COLUMNS,
    MOST_ROWS,
    Answered,
    answer_without,
    by_days,
    level_of,
    segments_of,
)

_DAY_SECONDS = 86_400


def find_harm(
    connection: Connection,
    bundle: Bundle,
    window: pd.DataFrame,
    params: Monitoring,
    now: datetime,
    generator: np.random.Generator,
    end: datetime | None = None,
) -> Harm:
    """Judge a window with those outcomes that are mature by now.

    Args:
        window: of windows.read_rows, at least one row.
        generator: picks the reference's values that stand in for a column's.
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
    days = _days(rows[~inside])
    if len(np.unique(days)) < MIN_DAYS:
        return too_few_days(len(np.unique(days)))
    try:
        model = bundle.model()
    except BundleError as error:
        return Harm("not enough data", (f"harm not judged: {error}",))
    columns = list(schema.names)
    if len(columns) > MOST_COLUMNS:
        columns = list(measure_influence(bundle, generator))
    past = _answer(bundle, model, columns, rows[~inside], generator)
    known = len(np.unique(_days(rows[inside]))) >= MIN_WINDOW_DAYS
    # Before outcomes the answers of all rows tell as much as they can.
    seen = _answer(bundle, model, columns, rows[inside] if known else window, generator)
    unlike = unlike_before(schema, (past.rows, past.days), (window, _days(window)))
    weights = unlike.weights if known else {}
    segments, level = segments_of(schema, past.rows), level_of(past, weights)
    before = by_days(schema, past, segments, level, weights)
    return judge_harm(before, by_days(schema, seen, segments, level), unlike.strange)


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


def _answer(
    bundle: Bundle,
    model: Model,
    columns: Sequence[str],
    rows: pd.DataFrame,
    generator: np.random.Generator,
) -> Answered:
    schema = bundle.schema
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    known = OUTCOME in rows
    asked = rows.reindex(columns=[*schema.names, EVENT_TIME])
    answers, without = answer_without(model, schema, columns, asked, reference, generator)
    truths = schema.target.truths(rows[OUTCOME].tolist()) if known else None
    return Answered(asked, _days(rows), truths, answers, without)


def _days(rows: pd.DataFrame, column: str = EVENT_TIME) -> NDArray[np.int64]:
    seconds = rows[column].astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    return np.asarray(seconds // _DAY_SECONDS)
