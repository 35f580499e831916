"""The baseline of benchmarks/score.py: pandas and scikit-learn, as a notebook would do it."""

import argparse
from pathlib import Path

import pandas as pd

from contracts.bundle import load_bundle
from contracts.model_frame import frame_of
from contracts.skops_model import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bundle", "table", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    pipeline = load_model(bundle.files["model.skops"])
    frame = frame_of(*bundle.schema.to_matrices(pd.read_parquet(arguments.table)), bundle.schema)
    positive = pipeline.predict_proba(frame)[:, -1]
    answers = {"prediction": (positive >= bundle.schema.target.threshold).astype(int)}
    pd.DataFrame({**answers, "probability": positive}).to_parquet(arguments.output)


if __name__ == "__main__":
    main()
