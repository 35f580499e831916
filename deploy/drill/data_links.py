"""Links of the data: quiet traffic is no alarm, and a dead database loses nothing."""

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import select

from client import ClientError
from contracts.tables import predictions
from deploy.drill.flights import as_it_was
from deploy.drill.stage import LONG_BEFORE, LinkBrokenError, Stage
from monitoring.recorded import last_facts

QUIET_DAYS = 14
CHECK_SECONDS = 600.0  # on a busy machine
OUTAGE_REQUESTS = 4
REPLAY_SECONDS = 90.0


def calm(stage: Stage) -> str:
    """Flights like those of the training, with the outcomes that they had: no alarm."""
    stage.live(QUIET_DAYS, as_it_was)
    stage.begin_check()

    def found() -> dict[str, Any] | None:
        with stage.engine.connect() as connection:
            return last_facts(connection)

    facts = stage.wait(found, CHECK_SECONDS, "the check has left no row")
    if facts["alarm"]:
        raise LinkBrokenError(f"traffic as in training is an alarm: {facts['reason']}")
    stage.end_check()
    return f"{len(stage.answered)} flights like those of the training are no alarm"


def spool(stage: Stage) -> str:
    """Lock the database against every writer; ask, look into the spool, unlock, count."""
    before = stage.count(predictions)
    path = stage.engine.url.database
    with closing(sqlite3.connect(str(path), isolation_level=None)) as thief:
        thief.execute("BEGIN EXCLUSIVE")
        asked = _ask_in_the_dark(stage)
        waiting = stage.metric("perennial_spool_rows") or 0
        thief.execute("ROLLBACK")
    if waiting < len(asked):
        raise LinkBrokenError(f"{len(asked)} rows were answered, and {waiting:.0f} are spooled")
    stage.wait(
        lambda: stage.metric("perennial_spool_rows") == 0 or None, REPLAY_SECONDS,
        f"the spool was not empty {REPLAY_SECONDS:.0f} s after the database had come back",
    )  # fmt: skip
    stage.answered += asked
    lost = _lost(stage)
    if lost or stage.count(predictions) != before + len(asked):
        raise LinkBrokenError(f"{len(lost)} answered predictions are not in the database")
    return f"{len(asked)} rows answered while the database was locked; all are in it now"


def _ask_in_the_dark(stage: Stage) -> list[str]:
    """Predictions of a day before the drill's first, so that no window sees them."""
    rows, found = stage.flights.day(0).rows, []
    size = len(rows) // OUTAGE_REQUESTS
    try:
        for start in range(0, len(rows), size):
            answers = stage.client.predict(rows[start : start + size], LONG_BEFORE)
            found += [each.prediction_id for each in answers]
    except ClientError as error:
        raise LinkBrokenError(f"no answer while the database was locked: {error}") from None
    return found


def _lost(stage: Stage) -> set[str]:
    with stage.engine.connect() as connection:
        kept = connection.execute(select(predictions.c.prediction_id)).scalars().all()
    return set(stage.answered) - set(kept)
