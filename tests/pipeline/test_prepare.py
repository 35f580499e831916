"""Preparation refuses what cannot be learned from, and says which column and why."""

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params
from pipeline.describe import infer_schema
from pipeline.frames import DatasetError
from pipeline.ingest import ingest
from pipeline.prepare import prepare


@pytest.fixture
def raw(year: pd.DataFrame) -> pd.DataFrame:
    return year.head(2000)


def test_rows_without_outcome_are_counted_and_dropped(raw: pd.DataFrame, params: Params) -> None:
    kept, counts = prepare([raw], params)

    missing = int(raw.late.isna().sum())
    assert missing > 0
    assert counts == {
        "rows": 2000,
        "without_outcome": missing,
        "of_ignored_classes": 0,
        "golden": 0,
        "kept": 2000 - missing,
    }
    assert len(kept) == counts["kept"]


def test_snapshots_are_merged_in_order_of_time(raw: pd.DataFrame, params: Params) -> None:
    middle = raw.event_time.iloc[1000]
    newer, older = raw[raw.event_time >= middle], raw[raw.event_time < middle]

    merged, _ = prepare([newer, older], params)

    assert merged.event_time.is_monotonic_increasing
    pd.testing.assert_frame_equal(merged, prepare([raw], params)[0])


def test_input_is_left_as_it_was(raw: pd.DataFrame, params: Params) -> None:
    before = raw.copy()
    prepare([raw], params)

    pd.testing.assert_frame_equal(raw, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sched_dep": np.nan}, r"sched_dep: \d+ values are missing; set features.sched_dep"),
        ({"carrier": None}, r"carrier: \d+ values are missing"),
        ({"temp": "warm"}, r"temp: \d+ of \d+ values are no finite numbers"),
        ({"temp": np.inf}, r"temp: \d+ of \d+ values are no finite numbers"),
        ({"distance": 1.5}, "distance: has fractions"),
        ({"late": 2.0}, r"late: \[.2.\] are none of data.classes"),
        ({"late": 1.0}, r"late: no row of the classes \[0\]"),
        ({"late": np.nan}, "0 labelled rows; data.min_rows asks for 1000"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_unusable_column_is_named(
    raw: pd.DataFrame, params: Params, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        prepare([raw.assign(**changes)], params)


def test_missing_column_is_named(raw: pd.DataFrame, params: Params) -> None:
    with pytest.raises(DatasetError, match=r"columns \['dewp'\] are missing"):
        prepare([raw.drop(columns="dewp")], params)


def test_schema_describes_what_was_seen(january: pd.DataFrame, params: Params) -> None:
    schema = infer_schema(january, params)

    features = {feature.name: feature for feature in schema.features}
    assert schema.names == list(params.features)
    assert features["origin"].categories == ("EWR", "JFK", "LGA")
    assert features["distance"].low == january.distance.min()
    assert features["temp"].nullable
    assert None not in [schema.example()[n] for n in ("sched_dep", "carrier", "temp")]


def test_history_ends_where_params_say(params: Params) -> None:
    history = ingest(params.data)

    assert history.event_time.max() < pd.Timestamp("2013-04-01", tz="UTC")
    assert len(history) == 80_687
