"""The schema turns columns into matrices and survives its file."""

import json

import numpy as np
import pandas as pd
import pytest

from contracts.schema import FeatureSchema, SchemaError
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
    content = {**json.loads(make_schema().to_json()), "format": 2}

    with pytest.raises(SchemaError, match="schema format 2, this code reads 1"):
        FeatureSchema.from_json(json.dumps(content))
