"""What a version answered while it was served, as CSV, for whoever acted on it.

`python -m monitoring.rolled_back > answers.csv` lists the version that was rolled back last, or
any that is named; its recalibrations count as the same model.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from sqlalchemy import Connection, Row, select

from contracts.database import make_engine
from contracts.migrate import require_current
from contracts.registry import UnknownVersionError, family, require_version
from contracts.settings import Settings
from contracts.tables import outcomes, predictions, stage_changes
from monitoring.check import REFUSALS

ROWS_AT_ONCE = 5_000
HEADER = ["prediction_id", "predicted_at", "event_time", "model_version", "prediction",
          "probability", "outcome", "features"]  # fmt: skip


class NothingRolledBackError(LookupError):
    """No version ever was."""

    def __init__(self) -> None:
        super().__init__("no version was ever rolled back; name one: python -m contracts.registry")


def newest_rolled_back(connection: Connection) -> str:
    """The version that answered before the newest rollback.

    Raises:
        NothingRolledBackError: there was none.
    """
    query = select(stage_changes.c.previous_version).where(stage_changes.c.action == "rollback")
    found = connection.execute(query.order_by(stage_changes.c.change_id.desc()).limit(1))
    version = found.scalar_one_or_none()
    if version is None:
        raise NothingRolledBackError
    return str(version)


def answered_by(connection: Connection, versions: Sequence[str]) -> Iterator[Row[Any]]:
    """Predictions of these versions, the oldest first, each with its newest outcome or None."""
    newest = (
        select(outcomes.c.outcome)
        .where(outcomes.c.prediction_id == predictions.c.prediction_id)
        .order_by(outcomes.c.outcome_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(predictions, newest.label("outcome"))
        .where(predictions.c.model_version.in_(versions))
        .order_by(predictions.c.prediction_id)
    )
    yield from connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)


def write_csv(rows: Iterator[Row[Any]], file: TextIO) -> int:
    """Write HEADER and a line a row; features as a JSON object. Returns how many."""
    writer, count = csv.writer(file), 0
    writer.writerow(HEADER)
    for row in rows:
        values = row._mapping
        times = [values[name].isoformat() for name in HEADER[1:3]]
        writer.writerow([values[HEADER[0]], *times, *(values[name] for name in HEADER[3:])])
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.rolled_back", description=__doc__)
    parser.add_argument("version", nargs="?", help="none: the one that was rolled back last")
    version = parser.parse_args().version
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        with engine.connect() as connection:
            version = version or newest_rolled_back(connection)
            require_version(connection, version)
            rows = answered_by(connection, list(family(connection, version)))
            count = write_csv(rows, sys.stdout)
    except (*REFUSALS, NothingRolledBackError, UnknownVersionError) as error:
        sys.exit(str(error))
    sys.stderr.write(f"{count} predictions by {version}\n")


if __name__ == "__main__":
    main()
