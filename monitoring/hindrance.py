"""What stands against learning from outcomes: faults of their rows, and divided traffic."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from contracts.tables import checks
from contracts.traffic import current_traffic
from monitoring.quality import Fault


def hindrance(connection: Connection, since: datetime, least: float = 0.0) -> str | None:
    """Why nothing should be learned from outcomes now; None = nothing stands against it.

    Args:
        since: time of the earliest row that is learned from. A check that was made before has
            seen none of them; a later one that repeats an earlier window's findings vouches for
            them.
        least: share of a window's rows that a fault has to concern.
    """
    return divided_traffic(connection) or _faulty(connection, since, least)


def divided_traffic(connection: Connection) -> str | None:
    """Why a promotion would disturb; None = the champion answers everything."""
    traffic = current_traffic(connection)
    if traffic is None or traffic.rule.mode == "champion":
        return None
    return f"traffic is divided ({traffic.rule.mode}); a promotion would end that"


def _faulty(connection: Connection, since: datetime, least: float) -> str | None:
    query = select(checks).order_by(checks.c.checked_at.desc()).limit(1)
    newest = connection.execute(query).one_or_none()
    if newest is None or newest.checked_at <= since:
        return None
    inputs: dict[str, Any] = json.loads(newest.findings).get("inputs") or {}
    faults = [Fault(**one) for one in inputs.get("faults", ())]
    told = [str(fault) for fault in faults if fault.changed >= least]
    return f"the data has faults, nothing is learned: {'; '.join(told)}" if told else None
