"""Stage: the sample that checks compare windows with, answered by models that never saw its rows.

The bundle's model has learned from all rows, and answers them better than any that will come. So
the rows are cut into folds, whole days together, and each is answered by the recipe fitted on the
others: what answers to unknown rows look like, and how often they are right.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from contracts.params import Params, ParamsError, load_params
from contracts.schema import GROUP, FeatureSchema
from pipeline.frames import DatasetError, model_frame, read_prepared
from pipeline.search import Chosen, answer_rows
from pipeline.splits import reference_folds
from pipeline.train import fit, read_choice


def sample_reference(
    frame: pd.DataFrame, schema: FeatureSchema, chosen: Chosen, params: Params
) -> pd.DataFrame:
    """A random sample of the prepared rows, in order of time, with answers out of sample.

    Each fit learns from at most as many rows as the search did, so that its cost has an end.

    Returns:
        The rows as they were prepared, without GROUP, and schema.answers (float32).
    """
    rng = np.random.default_rng(params.train.seed)
    sampled = np.sort(rng.permutation(len(frame))[: params.package.reference_rows])
    answers = np.empty((len(frame), len(schema.answers)), np.float32)
    for others, judged in tqdm(reference_folds(frame, schema, params), "reference", unit="fit"):
        known = np.sort(rng.permutation(others)[: params.train.search.max_rows])
        asked = np.intersect1d(judged, sampled)
        model = fit(chosen, frame.iloc[known], schema, params)
        answers[asked] = answer_rows(model, model_frame(frame.iloc[asked], schema), schema)
    rows = frame.iloc[sampled].drop(columns=GROUP, errors="ignore").reset_index(drop=True)
    return pd.concat([rows, pd.DataFrame(answers[sampled], columns=schema.answers)], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reference", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--chosen", type=Path, required=True, help="read: JSON")
    parser.add_argument("--reference", type=Path, required=True, help="written: parquet")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except (DatasetError, ParamsError) as error:
        sys.exit(f"reference: {error}")


def _run(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.params)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes())
    recipe = read_choice(arguments.chosen).recipe
    found = sample_reference(read_prepared(arguments.prepared), schema, recipe, params)
    found.to_parquet(arguments.reference)


if __name__ == "__main__":
    main()
