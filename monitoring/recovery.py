"""Clears away what dead processes have left: rows, their children, working copies, half files.

The scheduler does so when it starts and then every EVERY_SECONDS, so that a retrain whose process
was killed, here or on another host, is over within leases.LENGTH and that.
"""

import logging
import math
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from contracts.settings import Settings
from contracts.tables import retrains
from monitoring.attempts import UNFINISHED, recover
from monitoring.process_tree import end_marked

EVERY_SECONDS = 10
# Longer than any of them is written to (reports.DEADLINE_SECONDS is ten minutes).
HALF_FILES_AFTER = timedelta(hours=1)
log = logging.getLogger(__name__)


def clean_up(engine: Engine, settings: Settings, now: datetime) -> list[str]:
    """Bury dead retrains, end what still runs for them, and remove their working copies.

    Returns:
        The ids of those that were buried.
    """
    buried = recover(engine, now, now)
    for retrain_id in buried:
        log.warning("retrain %s was interrupted: its process ended", retrain_id)
    for directory in _left_over(engine, settings.work_dir):
        end_marked(directory.resolve())
        shutil.rmtree(directory, ignore_errors=True)
    for half in (*settings.reports_dir.glob(".check-*"), *settings.bundles_dir.glob(".*.tmp")):
        if _written_at(half) < (now - HALF_FILES_AFTER).timestamp():
            shutil.rmtree(half, ignore_errors=True)
    return buried


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # whole by now, and renamed
        return math.inf


def _left_over(engine: Engine, work_dir: Path) -> list[Path]:
    """Working copies of retrains that are over; others, and strangers' directories, stay."""
    found = {path.name: path for path in work_dir.glob("*") if path.is_dir()}
    if not found:
        return []
    over = select(retrains.c.retrain_id).where(retrains.c.retrain_id.in_(found), ~UNFINISHED)
    with engine.connect() as connection:
        return [found[retrain_id] for retrain_id in connection.execute(over).scalars()]
