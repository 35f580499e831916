"""Predictions that wait for their outcome, among the newest; nothing here writes."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, select

from contracts.tables import outcomes, predictions
from service.queries import parsed

LOOKED_AT = 1000
MOST = 250  # of these: to compare each with each takes a page its time


def newest_unlabelled(connection: Connection, until: datetime) -> list[dict[str, Any]]:
    """Of the LOOKED_AT predictions of the latest event times before a moment, MOST without one.

    GET /outcomes/wanted draws from a month instead, which takes longer than a page may.
    """
    name, at = predictions.c.prediction_id, predictions.c.event_time
    newest = select(name).where(at < until).order_by(at.desc()).limit(LOOKED_AT).subquery()
    known = exists().where(outcomes.c.prediction_id == newest.c.prediction_id)
    waiting = select(newest.c.prediction_id).where(~known)
    latest = select(predictions).where(name.in_(waiting)).order_by(at.desc(), name).limit(MOST)
    rows = connection.execute(latest)
    return [{**row._asdict(), **parsed(row)} for row in rows]
