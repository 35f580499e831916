"""What Evidently says of a window as it comes."""

import os
import warnings

import pandas as pd

from contracts.schema import FeatureSchema


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
