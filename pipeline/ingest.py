"""Stage: take the rows before `data.until` from the source, unchanged."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from contracts.params import Data, ParamsError, load_params
from pipeline import flights
from pipeline.frames import DatasetError
from pipeline.tables.history import copy_history

# A fork adds its own adapter here: a function that reads a frame with the columns of params.yaml.
# Larger tables come by pipeline/adopt.py as the source `table`, which is streamed instead.
TABLE = "table"
SOURCES: Mapping[str, Callable[[], pd.DataFrame]] = {"flights": flights.read}


def ingest(data: Data) -> pd.DataFrame:
    """Rows of the source with timestamp before `data.until` (midnight UTC); all without one.

    Raises:
        ParamsError: the source is unknown or has no row before that day.
    """
    if data.source not in SOURCES:
        raise ParamsError(f"data.source: {data.source!r} is none of {sorted([*SOURCES, TABLE])}")
    frame = SOURCES[data.source]()
    history = frame
    if data.timestamp is not None:
        history = frame[frame[data.timestamp] < pd.Timestamp(data.until, tz="UTC")]
    if history.empty:
        raise ParamsError(f"data.until: no row of {data.source} is older than {data.until}")
    return history.reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.ingest", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--table", type=Path, required=True, help="read: directory of the table")
    parser.add_argument("--raw", type=Path, required=True, help="written: parquet")
    arguments = parser.parse_args()
    try:
        data = load_params(arguments.params).data
        if data.source == TABLE:
            copy_history(arguments.table, arguments.raw, data)
        else:
            ingest(data).to_parquet(arguments.raw)
    except (ParamsError, DatasetError, flights.SourceError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
