"""From when to when a check's window goes, and which rows came after theirs had been judged.

A sliding window ends when it is checked. Tumbling ones follow each other without a gap: they end at
whole multiples of their length, and the last one that has ended is judged.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from contracts.monitoring_params import Monitoring
from contracts.tables import checks
from monitoring.sampling import count_rows
from monitoring.windows import find_start

EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that weeks begin on one
MOST_WINDOWS = 10  # of the past whose rows are counted again


@dataclass(frozen=True)
class Span:
    """A window: [start, end) in event time."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Late:
    """Rows of a window that came after a check had judged it.

    Attributes:
        judged: rows that it had then.
        rows: more that it has now; about, where many are counted in a sample.
    """

    check_id: str
    window_to: str
    judged: int
    rows: int


def find_span(connection: Connection, now: datetime, params: Monitoring) -> Span:
    """The window that a check judges at a time."""
    end = now
    if params.window == "tumbling":
        end -= (now - EPOCH) % timedelta(days=params.window_days)
    return Span(find_start(connection, end, params.window_days, params.window_rows), end)


def find_late(connection: Connection, until: datetime, since: datetime) -> tuple[Late, ...]:
    """Windows of the past that have more rows now than when they were judged, the newest first.

    Args:
        until: end of the last one that is looked at; those before it do not overlap.
        since: none that began earlier.
    """
    found = []
    for _ in range(MOST_WINDOWS):
        query = select(checks).where(checks.c.window_to <= until, checks.c.window_from >= since)
        newest = query.order_by(checks.c.window_to.desc(), checks.c.checked_at.desc()).limit(1)
        row = connection.execute(newest).one_or_none()
        if row is None:
            break
        more = count_rows(connection, row.window_from, row.window_to) - row.rows
        if more > 0:
            found.append(Late(row.check_id, row.window_to.isoformat(), row.rows, more))
        until = row.window_from
    return tuple(found)
