"""Freezes the outcomes so far into an immutable, digested file that training can depend on.

`python -m monitoring.snapshot` does so where a retrain runs elsewhere: in GitHub Actions.
"""

import argparse
import hashlib
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.params import Params, ParamsError, load_params
from contracts.schema import EVENT_TIME, OUTCOME, Feature, FeatureSchema, Target
from contracts.settings import Settings
from monitoring.windows import read_labelled

DIGEST_LENGTH = 16


class NoOutcomesError(LookupError):
    """No prediction has an outcome yet."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"no prediction before {until:%Y-%m-%d %H:%M} has an outcome")


def write_snapshot(
    connection: Connection,
    schema: FeatureSchema,
    until: datetime,
    directory: Path,
    start: datetime | None = None,
) -> Path:
    """Write labelled predictions as `<digest>.parquet`, with the columns of the raw table.

    Predictions logged under another schema that lack a feature are left out.

    Args:
        start: none before it; None = from the first one.

    Raises:
        NoOutcomesError: there is nothing to write.
    """
    frame = read_labelled(connection, until, start)
    if frame.empty:
        raise NoOutcomesError(until)
    required = [f.name for f in schema.features if not f.nullable]
    frame = frame.reindex(columns=[*schema.names, OUTCOME, EVENT_TIME])
    frame = frame.dropna(subset=required, ignore_index=True)
    named = {OUTCOME: schema.target.name, EVENT_TIME: schema.timestamp}
    content = frame.rename(columns=named).to_parquet()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]}.parquet"
    path.write_bytes(content)
    return path


def schema_of(params: Params) -> FeatureSchema:
    """What params.yaml says of columns; enough for a snapshot, nothing that training has seen."""
    features = (Feature(name, one.kind, one.nullable) for name, one in params.features.items())
    target = Target(params.data.target, tuple(params.data.classes), task=params.data.task)
    return FeatureSchema(tuple(features), target, params.data.time_column)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.snapshot", description=__doc__)
    parser.add_argument(
        "--until", type=datetime.fromisoformat, required=True, help="moment with its time zone"
    )
    parser.add_argument("--directory", type=Path, required=True, help="where it is written")
    arguments = parser.parse_args()
    if arguments.until.tzinfo is None:
        parser.error("--until has no time zone; 2013-06-01T00:00:00+00:00 has one")
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        schema = schema_of(load_params(settings.params_file))
        with engine.connect() as connection:
            path = write_snapshot(connection, schema, arguments.until, arguments.directory)
    except (DatabaseUrlError, DatabaseOutOfDateError, NoOutcomesError, ParamsError) as error:
        sys.exit(str(error))
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
