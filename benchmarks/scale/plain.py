"""Evidently as it comes, on every row of a window: `python -m benchmarks.scale.plain URL BUNDLE`.

Rows are read in parts into typed columns, which is kinder to memory than a list of dictionaries.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from sqlalchemy import select

from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.schema import FeatureSchema
from contracts.tables import predictions

PART = 50_000


def read_window(url: str, schema: FeatureSchema) -> pd.DataFrame:
    engine, parts = make_engine(url), []
    with engine.connect().execution_options(yield_per=PART) as connection:
        for rows in connection.execute(select(predictions.c.features)).partitions():
            frame = pd.DataFrame([json.loads(row.features) for row in rows])
            frame[schema.numeric] = frame[schema.numeric].astype(np.float32)
            frame[schema.categorical] = frame[schema.categorical].astype("category")
            parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    url, directory = sys.argv[1:]
    bundle = load_bundle(Path(directory))
    schema = bundle.schema
    definition = DataDefinition(
        numerical_columns=schema.numeric, categorical_columns=schema.categorical
    )
    before = pd.read_parquet(Path(directory) / "reference.parquet")[schema.names]
    both = [Dataset.from_pandas(frame, data_definition=definition)
            for frame in (read_window(url, schema), before)]  # fmt: skip
    report = Report([DataDriftPreset()]).run(*both)
    report.save_html(str(Path(directory).parent / "plain.html"))


if __name__ == "__main__":
    main()
