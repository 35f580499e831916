"""Does a change hurt? What a check says of 28 scenarios, beside Evidently: `make bench-harm`.

Truth is the model's own loss on the same rows without the change: 0.01 more is harmful. What
is reported, kinds of changes and months, chose no setting.
"""

import argparse
import os
import sys
import warnings
from functools import partial
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from benchmarks.harm.scenarios import SCENARIOS
from benchmarks.harm.tables import as_tables, missed, summarise
from benchmarks.harm.trials import make_world, run
from benchmarks.results import write_result
from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.schema import FeatureSchema

BUNDLE = Path("build/bundle")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harm", description=__doc__)
    parser.add_argument("--draws", type=int, default=20, help="of each scenario")
    parser.add_argument("--beside", type=int, default=4, help="of them, for Evidently too")
    arguments = parser.parse_args()
    try:
        bundle = load_bundle(BUNDLE)
    except BundleError as error:
        sys.exit(f"{error}; `dvc repro` first")
    with tqdm(total=arguments.draws * len(SCENARIOS), desc="harm", unit="window") as bar:
        beside = partial(evidently_default, bundle.schema)
        found = list(run(make_world(bundle), arguments.draws, beside, arguments.beside, bar.update))
    summary = summarise(found)
    figures = {"summary": summary, "trials": found}
    print(as_tables(figures))
    print(f"figures: {write_result('bench-harm', figures)}")
    if bars := missed(summary):
        sys.exit("missed: " + "; ".join(bars))


def evidently_default(
    schema: FeatureSchema, past: pd.DataFrame, window: pd.DataFrame
) -> tuple[bool, bool]:
    """DataDriftPreset with nothing set: whether half of the columns drifted, and whether any."""
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=schema.numeric, categorical_columns=schema.categorical
        )
        sides = [
            Dataset.from_pandas(rows[schema.names], data_definition=definition)
            for rows in (window, past)
        ]
        found = Report([DataDriftPreset()]).run(*sides).dict()["metrics"][0]["value"]
    return found["share"] >= 0.5, found["count"] > 0


if __name__ == "__main__":
    main()
