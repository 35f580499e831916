"""Estimates of a check, and what became of them: reads windows, asks estimate.py, settles later."""

import io
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, select, update

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import BundleError
from contracts.database import write_transaction
from contracts.lineage import trained
from contracts.monitoring_params import Monitoring
from contracts.registry import family
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from contracts.tables import checks
from monitoring.estimate import Estimated, estimate
from monitoring.figures import certain, figures
from monitoring.past_windows import MIN_ROWS
from monitoring.recalibration import as_trained
from monitoring.windows import read_scores

SHOWN = {"roc_auc": "ROC AUC", "loss": "loss", "brier": "Brier score"}


def look_ahead(
    connection: Connection,
    bundle: Bundle,
    window: pd.DataFrame,
    params: Monitoring,
    now: datetime,
    days: int | None = None,
) -> Estimated:
    """Estimate how good the champion's answers in the window are.

    Args:
        window: of read_rows, before `now`.
        days: of the window; None = `window_days`.
    """
    versions = family(connection, bundle.version)
    own = as_trained(window, bundle.schema, versions)
    if not bundle.answers_unseen:
        why = "the bundle holds no answers to rows that its recipe had not seen; train again"
        return Estimated(len(own), {}, None, (why,))
    schema = bundle.schema
    # What a number's error depends on is learned from features, chances from answers alone.
    numbers = schema.target.task == "regression"
    file = "reference.parquet" if numbers else "unseen.parquet"
    live = read_scores(
        connection, schema, now - timedelta(days=params.performance_days + params.window_days),
        now, list(versions), 2 * params.max_rows,
        with_features=numbers,
    )  # fmt: skip
    live = as_trained(live, schema, versions)
    rows = params.drift.blocks == "rows" or schema.timestamp == EVENT_TIME
    return estimate(
        schema, pd.read_parquet(io.BytesIO(bundle.files[file])), live,
        own.reindex(columns=[*schema.names, *schema.answers, EVENT_TIME]), now,
        days or params.window_days, params.estimate, independent_rows=rows,
    )  # fmt: skip


def say(found: Estimated) -> str:
    """One sentence or two: the figures with their intervals, and what they cannot show."""
    told = [
        f"{SHOWN[name]} {figure.value:.3f}"
        + ("" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})")
        for name, figure in found.figures.items()
    ]
    first = f"estimated {', '.join(told)}" if told else "performance not estimated"
    return "; ".join((first, *found.reasons))


def settle(engine: Engine, bundles: Path, params: Monitoring, now: datetime) -> int:
    """Put the realised figures beside the estimates of checks whose outcomes are mature by now.

    Returns:
        How many checks were settled. One whose outcomes do not come within `performance_days`
        stays open.
    """
    mature = now - timedelta(days=params.estimate.mature_days)
    query = select(checks).where(
        checks.c.window_to <= mature,
        checks.c.window_to > mature - timedelta(days=params.performance_days),
    )
    schemas: dict[str, FeatureSchema | None] = {}
    settled = 0
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(checks.c.checked_at)).all()
    for row in rows:
        findings = json.loads(row.findings)
        estimated = (findings.get("estimated") or {}).get("figures")
        if not estimated or findings.get("realised"):
            continue
        if row.model_version not in schemas:
            with engine.connect() as connection:  # a recalibration's files may be gone
                model = trained(connection, row.model_version)
            schemas[row.model_version] = _schema(bundles / model)
        schema = schemas[row.model_version]
        with engine.connect() as connection:
            realised = schema and _realised(connection, schema, row, estimated, params.max_rows)
        if realised:
            _write(engine, row.check_id, {**findings, "realised": realised})
            settled += 1
    return settled


def _realised(
    connection: Connection,
    schema: FeatureSchema,
    check: Any,
    estimated: Mapping[str, Mapping[str, float | None]],
    max_rows: int,
) -> dict[str, Any] | None:
    versions = list(family(connection, check.model_version))
    window = (check.window_from, check.window_to, versions)
    scores = read_scores(connection, schema, *window, 5 * max_rows)
    if len(scores) < MIN_ROWS:
        return None
    task, answers = schema.target.task, scores[schema.answers].to_numpy(float)
    truths = schema.target.truths(scores[OUTCOME].tolist())
    found = figures(task, answers, certain(task, truths, answers))
    return {"rows": len(scores), "figures": found,
            "within": {name: _within(value, estimated.get(name, {}))
                       for name, value in found.items()}}  # fmt: skip


def _within(value: float, figure: Mapping[str, float | None]) -> bool | None:
    """Whether the interval held; None = there was none."""
    low, high = figure.get("low"), figure.get("high")
    return None if low is None or high is None else low <= value <= high


def _schema(directory: Path) -> FeatureSchema | None:
    try:
        return load_bundle(directory).schema
    except BundleError:  # an old version may have been deleted; its checks stay open
        return None


def _write(engine: Engine, check_id: str, findings: Mapping[str, Any]) -> None:
    one = update(checks).where(checks.c.check_id == check_id)
    with write_transaction(engine) as connection:
        connection.execute(one.values(findings=json.dumps(findings)))
