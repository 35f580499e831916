"""Stage: the samples that checks compare windows with, answered by models that never saw them.

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

# Beyond so many no estimate gets better; a ROC AUC on 20,000 flights is off by 0.01.
UNSEEN_ROWS = 200_000


def answer_unseen(
    frame: pd.DataFrame, schema: FeatureSchema, chosen: Chosen, params: Params
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random samples of the prepared rows, in order of time, with answers out of sample.

    Each fit learns from at most as many rows as the search did, so that its cost has an end.

    Returns:
        `package.reference_rows` rows as they were prepared, without GROUP, and schema.answers
        (float32); and UNSEEN_ROWS rows with no feature: the time, the target and schema.answers.
    """
    rng = np.random.default_rng(params.train.seed)
    order = rng.permutation(len(frame))
    most = max(UNSEEN_ROWS, params.package.reference_rows)
    sampled = np.sort(order[:most])
    answers = np.empty((len(frame), len(schema.answers)), np.float32)
    for others, judged in tqdm(reference_folds(frame, schema, params), "reference", unit="fit"):
        known = np.sort(rng.permutation(others)[: params.train.search.max_rows])
        asked = np.intersect1d(judged, sampled)
        model = fit(chosen, frame.iloc[known], schema, params)
        answers[asked] = answer_rows(model, model_frame(frame.iloc[asked], schema), schema)
    referred = np.sort(order[: params.package.reference_rows])
    kept = frame.columns.drop(GROUP, errors="ignore")
    short = [schema.timestamp, schema.target.name]
    return (
        _with_answers(frame.iloc[referred][kept], answers[referred], schema),
        _with_answers(frame.iloc[sampled][short], answers[sampled], schema),
    )


def _with_answers(rows: pd.DataFrame, answers: np.ndarray, schema: FeatureSchema) -> pd.DataFrame:
    found = pd.DataFrame(answers, columns=schema.answers)
    return pd.concat([rows.reset_index(drop=True), found], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reference", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--chosen", type=Path, required=True, help="read: JSON")
    parser.add_argument("--reference", type=Path, required=True, help="written: parquet")
    parser.add_argument("--unseen", type=Path, required=True, help="written: parquet")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except (DatasetError, ParamsError) as error:
        sys.exit(f"reference: {error}")


def _run(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.params)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes())
    recipe = read_choice(arguments.chosen).recipe
    reference, unseen = answer_unseen(read_prepared(arguments.prepared), schema, recipe, params)
    reference.to_parquet(arguments.reference)
    unseen.to_parquet(arguments.unseen)


if __name__ == "__main__":
    main()
