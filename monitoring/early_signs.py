"""What can be known of a promoted champion within minutes to hours, before outcomes come."""

import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import GOLDEN, BundleError
from contracts.monitoring_params import ErrorLimits, EstimateLimits, Probation
from contracts.registry import champion, family
from contracts.schema import VERSION
from contracts.stages import champions
from contracts.traffic import difference
from monitoring.beside import judge_shift, measure_shift
from monitoring.vitals import Sign, Vitals, compare, read_vitals
from monitoring.windows import read_rows
from monitoring.yardstick import estimate_losses, judge_estimate

MAX_ROWS = 5_000
BEFORE = timedelta(days=7)  # of the predecessor: long enough to hold its busy hours too
GRACE = timedelta(minutes=2)  # in which the service may still be swapping


def early_signs(
    connection: Connection,
    bundles: Path,
    version: str,
    promoted_at: datetime,
    params: Probation,
    now: datetime,
) -> list[Sign]:
    """Compare a champion with the version that answered before it.

    Args:
        version: the champion, or a version that is the same model.
        now: aware UTC; the newest params.hours before it are looked at.
    """
    mine, current = family(connection, version), champion(connection)
    before = next((v for v in champions(connection) if v not in mine), None)
    if before is None or current is None:
        return [Sign("nobody has answered before it")]
    since = max(promoted_at, now - timedelta(hours=params.hours))
    new = read_vitals(connection, version, since, now)
    old = read_vitals(connection, before, promoted_at - BEFORE, promoted_at)
    signs = compare(old, new, params.vitals)
    if params.vitals.errors is not None:
        after = read_vitals(connection, before, promoted_at + GRACE, now)
        signs += _served(new, after, params.vitals.errors)
    if any(sign.worse for sign in signs) or (params.shift is None and params.estimate is None):
        return signs  # what fails need not be asked for its answers
    try:
        both = load_bundle(bundles / before), load_bundle(bundles / current.version)
        rows = read_rows(connection, both[1].schema, since, now, MAX_ROWS)
        return [*signs, *_compare_answers(both, rows[rows[VERSION].isin(list(mine))], params)]
    except BundleError as error:
        return [*signs, Sign(f"its answers are not compared: {error}")]


def _served(new: Vitals, after: Vitals, limits: ErrorLimits) -> list[Sign]:
    """Worse, if the version before it goes on answering, and it never has."""
    minutes = len(after.times)
    asked = new.answered + int(new.unanswered.sum())
    if asked or after.answered < limits.min_failed or minutes < limits.min_minutes:
        return []
    return [Sign(f"it has answered nothing, its predecessor {after.answered} requests since: "
                 "the service cannot load it", True)]  # fmt: skip


def _compare_answers(
    both: tuple[Bundle, Bundle], rows: pd.DataFrame, params: Probation
) -> list[Sign]:
    """The champion's answers as they were given, beside its predecessor's to the same rows."""
    schema = both[1].schema
    if (why := difference(both[0].schema, schema)) is not None:
        return [Sign(f"its answers are not compared: {why}")]
    if rows.empty:
        return [Sign("its answers are not compared: it has answered no row")]
    before = both[0].model().answers_of(rows).astype(float)
    known = np.isfinite(before).all(axis=1)
    rows, before = rows[known], before[known]
    if rows.empty:
        return [Sign("its answers are not compared: its predecessor has none to the same rows")]
    signs = []
    if params.shift is not None and len(rows):
        task = schema.target.task
        shift = measure_shift(task, before, rows[schema.answers].to_numpy(float))
        signs.append(judge_shift(task, shift, params.shift))
    if params.estimate is not None:
        signs.append(_estimate(both, rows, before, params.estimate))
    return signs


def _estimate(
    both: tuple[Bundle, Bundle], rows: pd.DataFrame, before: np.ndarray, limits: EstimateLimits
) -> Sign:
    """By the champion as it answers today; its answers of earlier days had other offsets."""
    if GOLDEN not in both[1].files:
        return Sign("its loss is not estimated: it has no golden rows to measure by")
    target = both[1].schema.target
    golden = pd.read_parquet(io.BytesIO(both[1].files[GOLDEN]))
    models = [each.model() for each in both]
    now = models[1].answers_of(rows).astype(float)
    known = np.isfinite(now).all(axis=1)
    if not known.any():
        return Sign("its loss is not estimated: it has no finite answer")
    on_golden = [model.answers_of(golden).astype(float) for model in models]
    finite = np.isfinite(np.column_stack(on_golden)).all(axis=1)
    truths = target.truths(golden[target.name].tolist())[finite]
    losses = estimate_losses(
        target.task,
        truths,
        (on_golden[0][finite], on_golden[1][finite]),
        (before[known], now[known]),
    )
    if losses is None:
        return Sign("its loss is not estimated: golden rows know one outcome only")
    return judge_estimate(*losses, int(known.sum()), limits)
