"""Deletes reports that are old or too many; their checks stay, and the service shows those."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.monitoring_params import ReportsParams

_NAME = re.compile(r"check-(\d{8}T\d{6})-[0-9a-f]{6}\.html")
_HALF_MADE = ".check-*"
HALF_MADE_HOURS = 1  # after which nobody is still writing


def name_report(check_id: str, now: datetime) -> str:
    """The file of one check; prune_reports reads its time."""
    return f"check-{now:%Y%m%dT%H%M%S}-{check_id[-6:]}.html"


def prune_reports(directory: Path, limits: ReportsParams, now: datetime) -> list[str]:
    """Delete what name_report has named and `limits` do not keep, and what a kill has left behind.

    Args:
        now: of the check; a replay's is in the past.

    Returns:
        The names of the deleted reports.
    """
    if not directory.is_dir():
        return []
    for left in directory.glob(_HALF_MADE):
        if now.timestamp() - left.lstat().st_mtime > HALF_MADE_HOURS * 3600:
            shutil.rmtree(left, ignore_errors=True)
    times = {path: made for path in directory.iterdir() if (made := _time(path.name)) is not None}
    newest_first = sorted(times, key=lambda path: (times[path], path.name), reverse=True)
    oldest = now - timedelta(days=limits.keep_days)
    gone = [p for i, p in enumerate(newest_first) if i >= limits.keep or times[p] < oldest]
    for path in gone:
        path.unlink(missing_ok=True)
    return [path.name for path in gone]


def _time(name: str) -> datetime | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # digits, and no time
        return None
