"""One check: read the window, write the report, measure performance, ask the policy, record it.

`python -m monitoring.check` runs one now; with `--until` one of the past, from what is known today.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, insert, select
from uuid_utils import uuid7

from contracts.bundle import Bundle, BundleError, load_bundle
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.monitoring_params import Monitoring, Policy
from contracts.params import ParamsError, load_params
from contracts.registry import champion, family
from contracts.schema import VERSION
from contracts.settings import Settings
from contracts.tables import checks
from monitoring.domain import Apart
from monitoring.drift_state import Drift
from monitoring.estimate import Estimated
from monitoring.harm import Harm
from monitoring.history import checks_stood, read_history
from monitoring.hurt import find_harm, look_apart
from monitoring.influence import measure_influence
from monitoring.inputs import judge_inputs
from monitoring.outlook import look_ahead, say, settle
from monitoring.performance import Performance, measure
from monitoring.policy import Decision, Evidence, decide
from monitoring.report_files import name_report, prune_reports
from monitoring.reports import ReportError, write_report
from monitoring.sampling import count_labelled, count_rows
from monitoring.triggers import decline
from monitoring.weighed import Weighed, weigh_causes
from monitoring.windows import find_start, read_rows, read_scores

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
    harm: Harm | None
    apart: Apart | None
    weighed: Weighed | None
    estimated: Estimated
    performance: Performance
    report: str | None
    evidence: Evidence

    @property
    def facts(self) -> dict[str, Any]:
        """What the next check's alert compares with; see last_facts."""
        causes = self.inputs.causes if self.inputs else ()
        return {"alarm": self.decision.alarm, "reason": self.decision.reason, "causes": causes}


def run_check(
    engine: Engine,
    bundles: Path,
    reports: Path,
    params: Monitoring,
    now: datetime,
    due: str | None = None,
) -> Check:
    """Check the window that ends now and record it; starts nothing.

    Estimates of earlier checks whose outcomes have come get what was realised beside them.

    Args:
        due: why a retrain is due by the calendar; None = it is not.

    Raises:
        NoChampionError: nothing was ever promoted.
        BundleError: the champion's bundle is damaged.
    """
    with engine.connect() as connection:
        current = champion(connection)
        if current is None:
            raise NoChampionError
        bundle = load_bundle(bundles / current.version)
        start = find_start(connection, now, params.window_days, params.window_rows)
        rows = count_rows(connection, start, now)
        frame = read_rows(connection, bundle.schema, start, now, params.max_rows)
        performance = _performance(connection, bundle, params, now)
        history = _history(connection, bundle, params.policy, now)
        offsets = family(connection, bundle.version)
        estimated = look_ahead(connection, bundle, frame, params, now, _days(now - start))
    settle(engine, bundles, params, now)
    check_id, name, findings, inputs = str(uuid7()), None, {}, None
    harm, apart, weighed = None, None, None
    if rows >= params.policy.min_rows:
        generator = np.random.default_rng(SEED)
        inputs = judge_inputs(bundle, frame, params.drift, generator, offsets)
        influence = measure_influence(bundle, np.random.default_rng(SEED))
        weighed = weigh_causes(inputs, influence)
        with engine.connect() as connection:
            harm = find_harm(connection, bundle, frame, list(influence), params, now, generator)
        if inputs.state in ("watch", "alarm"):
            apart = look_apart(bundle, frame, inputs.causes, generator)
        name = name_report(check_id, now)
        try:
            findings = write_report(bundle, frame, inputs.causes, influence, reports / name)
        except ReportError as error:  # performance is judged all the same
            name, findings = None, {"error": str(error)}
        findings["versions"] = frame[VERSION].value_counts(normalize=True).to_dict()
    evidence = Evidence(now, rows, inputs=inputs, performance=performance, due=due, **history)
    decision = decide(evidence, params.policy)
    told = "; ".join((decision.reason, *(harm.reasons if harm else ()), say(estimated)))
    decision = replace(decision, reason=told)
    check = Check(check_id, decision, inputs, harm, apart, weighed, estimated, performance, name,
                  evidence)  # fmt: skip
    _record(engine, check, evidence, bundle, start, findings)
    prune_reports(reports, params.reports, now)
    return check


def _days(length: timedelta) -> int:
    return max(1, ceil(length / timedelta(days=1)))


def _performance(
    connection: Connection, bundle: Bundle, params: Monitoring, now: datetime
) -> Performance:
    start = now - timedelta(days=params.performance_days)
    limit = 5 * params.max_rows
    versions = list(family(connection, bundle.version))
    scores = read_scores(connection, bundle.schema, start, now, versions, limit)
    return measure(scores, bundle.schema, bundle.metrics.get("mae"))


def _history(
    connection: Connection, bundle: Bundle, policy: Policy, now: datetime
) -> dict[str, Any]:
    learned_until = datetime.fromisoformat(bundle.manifest["trained_until"])
    earlier = read_history(connection, now)
    number, days = count_labelled(connection, learned_until, now)
    return {
        "outcomes": number,
        "outcome_days": days,
        "last_retrain": earlier.last_retrain,
        "fruitless": earlier.fruitless,
        "learned_until": learned_until,
        "stood": checks_stood(
            connection, list(family(connection, bundle.version)), now, policy.debounce_checks - 1
        ),
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


def _record(
    engine: Engine,
    check: Check,
    evidence: Evidence,
    bundle: Bundle,
    start: datetime,
    findings: dict[str, Any],
) -> None:
    inputs = evidence.inputs
    wish = check.decision.wish
    detail = {"alarm": check.decision.alarm, "wish": wish and wish.kind,
              "inputs": inputs and asdict(inputs), "harm": check.harm and asdict(check.harm),
              "apart": check.apart and asdict(check.apart),
              "weighed": check.weighed and asdict(check.weighed),
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


def find_end(asked: str | None, now: datetime) -> datetime:
    """When the window ends: now, or at a time of the past; exits if it cannot be that."""
    if asked is None:
        return now
    try:
        end = datetime.fromisoformat(asked)
    except ValueError:
        sys.exit(f"--until {asked}: not a time like 2026-03-01 or 2026-03-01T12:00")
    end = end.replace(tzinfo=UTC) if end.tzinfo is None else end
    if end > now:
        sys.exit(f"--until {asked}: it lies ahead")
    return end


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.check", description=__doc__)
    parser.add_argument("--until", help="check the window that ended then: ISO 8601, UTC")
    now = find_end(parser.parse_args().until, datetime.now(UTC))
    settings = Settings()
    sys.stdout.write("comparing windows; a report takes about ten seconds ...\n")
    sys.stdout.flush()
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        places = (settings.bundles_dir, settings.reports_dir)
        check = run_check(engine, *places, params, now)
        decline(engine, check, now, by_hand=True)
    except REFUSALS as error:
        sys.exit(str(error))
    sys.stdout.write(f"{check.decision.action}: {check.decision.reason}\n")
    if check.report:
        sys.stdout.write(f"report: {settings.reports_dir / check.report}\n")


if __name__ == "__main__":
    main()
