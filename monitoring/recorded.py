"""What a check leaves in the database, and what the next one reads of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, insert, select

from contracts.bundle import Bundle
from contracts.database import write_transaction
from contracts.tables import checks

if TYPE_CHECKING:  # which records itself by the function below
    from monitoring.check import Check


def record(engine: Engine, check: "Check", bundle: Bundle, window: Mapping[str, Any]) -> None:
    """Write a check's row.

    Args:
        bundle: of the champion that was checked.
        window: `kind`, `by` and `late` of findings.window.
    """
    evidence, judged, wish = check.evidence, check.window, check.decision.wish
    inputs = judged.inputs
    late = [asdict(each) for each in window["late"]]
    detail = {"alarm": check.decision.alarm, "wish": wish and wish.kind, **judged.findings,
              "performance": asdict(check.performance),
              "window": {**window, "late": late}}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(
            insert(checks).values(
                check_id=check.check_id,
                checked_at=evidence.now,
                window_from=judged.span.start,
                window_to=judged.span.end,
                model_version=bundle.version,
                rows=judged.rows,
                outcomes=evidence.outcomes,
                drift_share=inputs and len(inputs.causes) / len(bundle.schema.names),
                performance_t=check.performance.t,
                decision=check.decision.action,
                reason=check.decision.reason,
                findings=json.dumps(detail),
                report=judged.report,
            )
        )


def last_facts(connection: Connection) -> dict[str, Any] | None:
    """Check.facts of the newest check that was recorded; None = none was."""
    query = select(checks).order_by(checks.c.checked_at.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    found = json.loads(row.findings)
    causes = (found.get("inputs") or {}).get("causes", ())
    return {"alarm": found.get("alarm", False), "reason": row.reason, "causes": causes}
