"""One check: read the window, write the report, measure performance, ask the policy, record it.

`python -m monitoring.check` runs one now; with `--until` one of the past, from what is known today.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from uuid_utils import uuid7

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import BundleError
from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.monitoring_params import Monitoring
from contracts.params import ParamsError, load_params
from contracts.registry import champion, family
from contracts.settings import Settings
from monitoring.drift_state import Drift
from monitoring.estimate import Estimated
from monitoring.harm import Harm
from monitoring.history import read_past
from monitoring.judged import Judged, judge_window, recall_window
from monitoring.outlook import settle
from monitoring.performance import Performance, measure
from monitoring.policy import Decision, Evidence, decide
from monitoring.recorded import record
from monitoring.report_files import name_report, prune_reports
from monitoring.reports import Draw, write_report
from monitoring.span import find_late, find_span
from monitoring.triggers import decline, this_person
from monitoring.windows import read_scores


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
    window: Judged
    performance: Performance
    evidence: Evidence

    @property
    def inputs(self) -> Drift | None:
        return self.window.inputs

    @property
    def harm(self) -> Harm | None:
        return self.window.harm

    @property
    def estimated(self) -> Estimated | None:
        return self.window.estimated

    @property
    def report(self) -> str | None:
        return self.window.report

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
    *,
    again: bool = False,
    draw: Draw = write_report,
) -> Check:
    """Check the newest window and record it; starts nothing.

    Estimates of earlier checks whose outcomes have come get what was realised beside them.

    Args:
        due: why a retrain is due by the calendar; None = it is not.
        again: judge a tumbling window also if an earlier check has.
        draw: makes the page, in a process of its own and in seconds.

    Raises:
        NoChampionError: nothing was ever promoted.
        BundleError: the champion's bundle is damaged.
    """
    with engine.connect() as connection:
        current = champion(connection)
        if current is None:
            raise NoChampionError
        bundle = load_bundle(bundles / current.version)
        performance = _performance(connection, bundle, params, now)
        history = read_past(connection, bundle, params.policy, now)
    settle(engine, bundles, params, now)
    with engine.connect() as connection:
        span = find_span(connection, now, params)
        known = None if again else recall_window(connection, bundle, params, span)
    check_id = str(uuid7())
    report = reports / name_report(check_id, now)
    window = known or judge_window(engine, bundle, report, params, span, now, draw)
    facts = {"inputs": window.inputs, "performance": performance, "due": due, **history}
    evidence = Evidence(now, window.rows, **facts)
    decision = decide(evidence, params.policy)
    decision = replace(decision, reason="; ".join((decision.reason, *window.told)))
    check = Check(check_id, decision, window, performance, evidence)
    with engine.connect() as connection:
        until = window.span.end if window.by else window.span.start
        late = find_late(connection, until, until - timedelta(days=params.performance_days))
    record(engine, check, bundle, {"kind": params.window, "by": window.by, "late": late})
    prune_reports(reports, params.reports, now)
    return check


def _performance(
    connection: Connection, bundle: Bundle, params: Monitoring, now: datetime
) -> Performance:
    start = now - timedelta(days=params.performance_days)
    limit = 5 * params.max_rows
    versions = list(family(connection, bundle.version))
    scores = read_scores(connection, bundle.schema, start, now, versions, limit)
    return measure(scores, bundle.schema, bundle.metrics.get("mae"))


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
    parser.add_argument(
        "--until",
        help="check the window that ended then, or the last tumbling one until then, also once "
        "more: ISO 8601, UTC",
    )
    asked = parser.parse_args().until
    now = find_end(asked, datetime.now(UTC))
    settings = Settings()
    sys.stdout.write("comparing windows; a report takes about ten seconds ...\n")
    sys.stdout.flush()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        places = (settings.bundles_dir, settings.reports_dir)
        check = run_check(engine, *places, params, now, again=asked is not None)
        decline(engine, check, now, by=this_person())
    except REFUSALS as error:
        sys.exit(str(error))
    sys.stdout.write(f"{check.decision.action}: {check.decision.reason}\n")
    if check.report:
        sys.stdout.write(f"report: {settings.reports_dir / check.report}\n")


if __name__ == "__main__":
    main()
