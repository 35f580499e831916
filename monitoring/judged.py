"""What a check says of a window, and what an earlier one said of the same.

A tumbling window is judged once by each model: checks before the next one ends repeat what was
found, so that whoever reads the newest check knows how the data stands, and judge performance.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, select

from contracts.bundle import Bundle
from contracts.monitoring_params import Monitoring
from contracts.registry import family
from contracts.schema import VERSION
from contracts.tables import checks
from monitoring.drift_state import Drift
from monitoring.estimate import Estimated
from monitoring.harm import Harm
from monitoring.hurt import find_harm, look_apart
from monitoring.influence import measure_influence
from monitoring.inputs import judge_inputs
from monitoring.outlook import look_ahead, say
from monitoring.reports import Draw, ReportError, write_report
from monitoring.sampling import count_rows
from monitoring.span import Span
from monitoring.weighed import weigh_causes
from monitoring.windows import read_rows

SEED = 1  # the same window is judged alike
PARTS = (
    "inputs",
    "harm",
    "apart",
    "weighed",
    "drift",
    "estimated",
    "realised",
)  # of a check's findings


@dataclass(frozen=True)
class Judged:
    """One window.

    Attributes:
        inputs: None = too few rows to judge.
        harm, estimated: None = repeated from an earlier check; `findings` has them.
        told: sentences besides the decision's.
        report: a file of the reports directory.
        findings: PARTS, as the check's row keeps them.
        by: the check that judged it; None = this one.
    """

    span: Span
    rows: int
    inputs: Drift | None
    harm: Harm | None
    estimated: Estimated | None
    told: tuple[str, ...]
    report: str | None
    findings: dict[str, Any]
    by: str | None = None


def judge_window(
    engine: Engine,
    bundle: Bundle,
    report: Path,
    params: Monitoring,
    span: Span,
    now: datetime,
    draw: Draw = write_report,
) -> Judged:
    """Look at a window's rows: at the inputs, at what they may cost, and at the answers' worth.

    Args:
        report: the HTML file to write.
        now: outcomes that are mature by then are known.
        draw: writes that file.
    """
    with engine.connect() as connection:
        rows = count_rows(connection, span.start, span.end)
        frame = read_rows(connection, bundle.schema, span.start, span.end, params.max_rows)
        offsets = family(connection, bundle.version)
        days = max(1, ceil((span.end - span.start) / timedelta(days=1)))
        estimated = look_ahead(connection, bundle, frame, params, span.end, days)
    drift: dict[str, Any] = {}
    inputs, harm, apart, weighed, name = None, None, None, None, None
    if rows >= params.policy.min_rows:
        generator = np.random.default_rng(SEED)
        inputs = judge_inputs(bundle, frame, params.drift, generator, offsets)
        influence = measure_influence(bundle, np.random.default_rng(SEED))
        weighed = weigh_causes(inputs, influence)
        with engine.connect() as connection:
            columns = list(influence)
            harm = find_harm(connection, bundle, frame, columns, params, now, generator, span.end)
        if inputs.state in ("watch", "alarm"):
            apart = look_apart(bundle, frame, inputs.causes, generator)
        name = report.name
        try:
            drift = draw(bundle, frame, inputs.causes, influence, report)
        except ReportError as error:  # performance is judged all the same
            name, drift = None, {"error": str(error)}
        drift["versions"] = frame[VERSION].value_counts(normalize=True).to_dict()
    found = {"inputs": inputs and asdict(inputs), "harm": harm and asdict(harm),
             "apart": apart and asdict(apart), "weighed": weighed and asdict(weighed),
             "drift": drift,
             "estimated": asdict(estimated), "realised": None}  # fmt: skip
    told = (*(harm.reasons if harm else ()), say(estimated))
    return Judged(span, rows, inputs, harm, estimated, told, name, found)


def recall_window(
    connection: Connection, bundle: Bundle, params: Monitoring, span: Span
) -> Judged | None:
    """What an earlier check said of a tumbling window, by this champion; None = none did."""
    if params.window != "tumbling":
        return None
    query = select(checks).where(
        checks.c.window_to == span.end,
        checks.c.window_from == span.start,
        checks.c.model_version.in_(list(family(connection, bundle.version))),
    )
    row = connection.execute(query.order_by(checks.c.checked_at.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    found = json.loads(row.findings)
    by = (found.get("window") or {}).get("by") or row.check_id
    following = span.end + timedelta(days=params.window_days)
    told = (
        *((found.get("harm") or {}).get("reasons", ())),
        f"check {by} has judged the window until {span.end:%Y-%m-%d %H:%M}; the next one ends at "
        f"{following:%Y-%m-%d %H:%M}",
    )
    parts = {name: found.get(name) for name in PARTS}
    return Judged(Span(row.window_from, row.window_to), row.rows, _drift(parts["inputs"]),
                  None, None, told, row.report, parts, by)  # fmt: skip


def _drift(found: dict[str, Any] | None) -> Drift | None:
    """As much of it as decisions need."""
    if found is None:
        return None
    return Drift(found["state"], tuple(found["reasons"]), tuple(found["causes"]))
