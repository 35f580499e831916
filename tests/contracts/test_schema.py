"""The schema turns columns into matrices and survives its file."""

import json

import numpy as np
import pandas as pd
import pytest

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, SchemaError, Target
from tests.bundles import make_schema


def test_schema_survives_its_file() -> None:
    schema = make_schema(threshold=0.25)

    assert FeatureSchema.from_json(schema.to_json()) == schema


def test_matrices_follow_schema_order_not_frame_order() -> None:
    schema = make_schema()
    frame = pd.DataFrame(
        {"origin": ["JFK"], "carrier": ["UA"], "wind": [3.0], "temp": [50.0], "hour": [7]}
    )

    numeric, text = schema.to_matrices(frame)

    assert numeric.dtype == np.float32
    assert numeric.tolist() == [[7.0, 50.0, 3.0]]
    assert text.tolist() == [["UA", "JFK"]]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=["None", "nan", "NA"])
def test_missing_values_become_nan_and_empty_text(missing: object) -> None:
    schema = make_schema()
    columns = {"hour": [7], "temp": [50.0], "wind": [None], "carrier": ["UA"], "origin": [missing]}

    numeric, text = schema.to_matrices(columns)

    assert np.isnan(numeric[0, 2])
    assert text[0, 1] == ""


def test_absent_column_is_named() -> None:
    with pytest.raises(SchemaError, match="columns missing: .'temp'."):
        make_schema().to_matrices({"hour": [1], "wind": [1], "carrier": ["x"], "origin": ["y"]})


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"format": 1}'])
def test_other_json_is_no_schema(text: str) -> None:
    with pytest.raises(SchemaError, match="not a feature schema"):
        FeatureSchema.from_json(text)


def test_later_format_is_refused_by_number() -> None:
    content = {**json.loads(make_schema().to_json()), "format": 4}

    with pytest.raises(SchemaError, match="schema format 4, this code reads"):
        FeatureSchema.from_json(json.dumps(content))


def test_schema_of_the_first_format_is_a_binary_one() -> None:
    content = {
        "format": 1,
        "features": [
            {"name": "temp", "kind": "numeric", "nullable": False, "low": 1.0, "high": 2.0,
             "categories": [], "example": 1.5}
        ],
        "target": {"name": "late", "classes": [0, 1], "threshold": 0.3},
        "timestamp": "event_time",
    }  # fmt: skip
    schema = FeatureSchema.from_json(json.dumps(content))

    assert schema.target.task == "binary"
    assert schema.features[0].words == ()


MOMENTS = ["2013-04-01T12:00:05+00:00", "1969-12-31T23:59:59+00:00", None]


@pytest.mark.parametrize(
    "column",
    [
        MOMENTS,
        pd.to_datetime(pd.Series(MOMENTS)),
        pd.to_datetime(pd.Series(MOMENTS)).dt.as_unit("s"),
    ],
    ids=["texts", "datetimes", "seconds"],
)
def test_moments_become_days_and_seconds_after_all_other_numbers(column: object) -> None:
    schema = FeatureSchema(
        (
            Feature("when", "datetime", True),
            Feature("flag", "boolean", True),
            Feature("size", "numeric", False),
        ),
        Target("y", (0, 1)),
        EVENT_TIME,
    )
    numeric, text = schema.to_matrices(
        {"when": column, "flag": [True, False, None], "size": [1, 2, 3]}
    )

    assert schema.matrix_columns == ["flag", "size", "when [day]", "when [second]"]
    assert text.shape == (3, 0)
    np.testing.assert_array_equal(
        numeric,
        [[1, 1, 15_796, 43_205], [0, 2, -1, 86_399], [np.nan, 3, np.nan, np.nan]],
    )


def test_truths_are_numbers_of_classes_or_values() -> None:
    assert Target("y", ("no", "yes")).truths(["yes", "no"]).tolist() == [1.0, 0.0]
    assert Target("y", task="regression").truths([2.5]).tolist() == [2.5]

    with pytest.raises(SchemaError, match="'maybe' is none of"):
        Target("y", ("no", "yes")).truths(["maybe"])
