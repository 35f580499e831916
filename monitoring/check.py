"""One check: read the window, write the report, measure performance, ask the policy, record it.

`python -m monitoring.check` runs one now.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, func, insert, select
from uuid_utils import uuid7

from contracts.bundle import Bundle, BundleError, load_bundle
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.params import Monitoring, ParamsError, load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import checks, outcomes, predictions, retrains
from monitoring.drift_state import Drift
from monitoring.estimate import Estimated
from monitoring.inputs import judge_inputs
from monitoring.outlook import look_ahead, say, settle
from monitoring.performance import Performance, measure
from monitoring.policy import Decision, Evidence, decide
from monitoring.reports import ReportError, write_report
from monitoring.windows import count_rows, read_rows, read_scores

SEED = 1  # the same window is judged alike


class NoChampionError(LookupError):
    """Nothing serves yet, so there is nothing to check."""

    def __init__(self) -> None:
        super().__init__("no champion yet; `python -m contracts.registry promote VERSION`")


# What a person who runs a check or a retrain by hand is told in one line.
REFUSALS = (
    BundleError,
    DatabaseOutOfDateError,
    DatabaseUrlError,
    NoChampionError,
    ParamsError,
)


@dataclass(frozen=True)
class Check:
    """A recorded check and what it decided."""

    check_id: str
    decision: Decision
    inputs: Drift | None
    estimated: Estimated
    performance: Performance
    report: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """What the next check's alert compares with; see last_facts."""
        causes = self.inputs.causes if self.inputs else ()
        return {"alarm": self.decision.alarm, "reason": self.decision.reason, "causes": causes}


def run_check(
    engine: Engine, bundles: Path, reports: Path, params: Monitoring, now: datetime
) -> Check:
    """Check the window that ends now and record it; starts nothing.

    Estimates of earlier checks whose outcomes have come get what was realised beside them.

    Raises:
        NoChampionError: nothing was ever promoted.
        BundleError: the champion's bundle is damaged.
    """
    with engine.connect() as connection:
        current = champion(connection)
        if current is None:
            raise NoChampionError
        bundle = load_bundle(bundles / current.version)
        start = now - timedelta(days=params.window_days)
        rows = count_rows(connection, start, now)
        frame = read_rows(connection, bundle.schema, start, now, params.max_rows)
        performance = _performance(connection, bundle, params, now)
        history = _history(connection, bundle, now)
        estimated = look_ahead(connection, bundle, frame, params, now)
    settle(engine, bundles, params, now)
    check_id, name, findings, inputs = str(uuid7()), None, {}, None
    if rows >= params.policy.min_rows:
        inputs = judge_inputs(bundle, frame, params.drift, np.random.default_rng(SEED))
        name = f"check-{now:%Y%m%dT%H%M%S}-{check_id[-6:]}.html"
        try:
            findings = write_report(bundle, frame, reports / name)
        except ReportError as error:  # performance is judged all the same
            name, findings = None, {"error": str(error)}
    evidence = Evidence(now, rows, inputs=inputs, performance=performance, **history)
    decision = decide(evidence, params.policy)
    decision = replace(decision, reason=f"{decision.reason}; {say(estimated)}")
    check = Check(check_id, decision, inputs, estimated, performance, name)
    _record(engine, check, evidence, bundle, start, findings)
    return check


def _performance(
    connection: Connection, bundle: Bundle, params: Monitoring, now: datetime
) -> Performance:
    start = now - timedelta(days=params.performance_days)
    limit = 10 * params.max_rows
    scores = read_scores(connection, bundle.schema, start, now, bundle.version, limit)
    return measure(scores, bundle.schema, bundle.metrics.get("mae"))


def _history(connection: Connection, bundle: Bundle, now: datetime) -> dict[str, Any]:
    learned_until = datetime.fromisoformat(bundle.manifest["trained_until"])
    times = predictions.c.event_time
    labelled = (
        select(
            func.count(outcomes.c.prediction_id.distinct()), func.count(func.date(times).distinct())
        )
        .join(predictions, predictions.c.prediction_id == outcomes.c.prediction_id)
        .where(times > learned_until, times < now)
    )
    earlier = select(func.max(retrains.c.started_at)).where(retrains.c.started_at <= now)
    number, days = connection.execute(labelled).one()
    return {
        "outcomes": number,
        "outcome_days": days,
        "last_retrain": connection.execute(earlier).scalar_one(),
        "fruitless": _fruitless(connection, now),
        "learned_until": learned_until,
    }


def last_facts(connection: Connection) -> dict[str, Any] | None:
    """Check.facts of the newest check that was recorded; None = none was."""
    query = select(checks).order_by(checks.c.checked_at.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    found = json.loads(row.findings)
    causes = (found.get("inputs") or {}).get("causes", ())
    return {"alarm": found.get("alarm", False), "reason": row.reason, "causes": causes}


def _fruitless(connection: Connection, now: datetime) -> int:
    """How many of the newest retrains in a row ended without a promotion."""
    ended = retrains.c.state.in_(["promoted", "rejected", "failed"])
    query = select(retrains.c.state).where(ended, retrains.c.started_at <= now)
    states = connection.execute(query.order_by(retrains.c.started_at.desc())).scalars()
    return sum(1 for _ in takewhile(lambda state: state != "promoted", states))


def _record(
    engine: Engine,
    check: Check,
    evidence: Evidence,
    bundle: Bundle,
    start: datetime,
    findings: dict[str, Any],
) -> None:
    inputs = evidence.inputs
    detail = {"alarm": check.decision.alarm, "inputs": inputs and asdict(inputs),
              "drift": findings, "performance": asdict(check.performance),
              "estimated": asdict(check.estimated), "realised": None}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(
            insert(checks).values(
                check_id=check.check_id,
                checked_at=evidence.now,
                window_from=start,
                window_to=evidence.now,
                model_version=bundle.version,
                rows=evidence.rows,
                outcomes=evidence.outcomes,
                drift_share=inputs and len(inputs.causes) / len(bundle.schema.names),
                performance_t=check.performance.t,
                decision=check.decision.action,
                reason=check.decision.reason,
                findings=json.dumps(detail),
                report=check.report,
            )
        )


def main() -> None:
    argparse.ArgumentParser(prog="python -m monitoring.check", description=__doc__).parse_args()
    settings = Settings()
    sys.stdout.write("comparing windows; a report takes about ten seconds ...\n")
    sys.stdout.flush()
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        places = (settings.bundles_dir, settings.reports_dir)
        check = run_check(engine, *places, params, datetime.now(UTC))
    except REFUSALS as error:
        sys.exit(str(error))
    sys.stdout.write(f"{check.decision.action}: {check.decision.reason}\n")
    if check.report:
        sys.stdout.write(f"report: {settings.reports_dir / check.report}\n")


if __name__ == "__main__":
    main()
