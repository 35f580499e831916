"""Golden rows are of the table, the same whatever is learned, and teach no model."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params
from contracts.schema import BLOCK, GROUP
from pipeline.prepare import prepare_all
from tests.pipeline.tables import make_params, make_table


@pytest.fixture
def raw(year: pd.DataFrame) -> pd.DataFrame:
    """Every tenth flight of January to March."""
    return year[year.event_time < "2013-04-01"].iloc[::10].reset_index(drop=True)


@pytest.fixture
def later(year: pd.DataFrame) -> pd.DataFrame:
    return year[(year.event_time >= "2013-04-01") & (year.event_time < "2013-06-01")].iloc[::10]


def _asked(params: Params, **golden: Any) -> Params:
    data = params.model_dump(mode="json")
    data["data"].update(golden={"share": 0.08, **golden})
    return Params.model_validate(data)


def _days(times: "pd.Series[pd.Timestamp]") -> set[pd.Timestamp]:
    return set(times.dt.floor("D"))


def test_whole_days_are_set_aside_all_over_the_table(raw: pd.DataFrame, params: Params) -> None:
    found = prepare_all([raw], params)

    days = _days(found.golden.event_time)
    assert 7 <= len(days) <= 9
    assert {day.month for day in days} == {1, 2, 3}
    assert not days & _days(found.frame.event_time)
    labelled = raw[raw.late.notna()]
    assert len(found.golden) == labelled.event_time.dt.floor("D").isin(days).sum()
    assert found.counts["golden"] + found.counts["kept"] == len(labelled)
    assert found.golden[BLOCK].nunique() == len(days)


def test_outcomes_change_no_byte_of_it(
    raw: pd.DataFrame, later: pd.DataFrame, params: Params
) -> None:
    alone = prepare_all([raw], params)
    beside = prepare_all([raw, later.assign(late=1 - later.late)], params)

    assert alone.golden.to_parquet() == beside.golden.to_parquet()
    assert beside.counts["golden"] == alone.counts["golden"]
    assert beside.counts["kept"] == alone.counts["kept"] + later.late.notna().sum()


def test_outcomes_of_golden_days_teach_nothing(raw: pd.DataFrame, params: Params) -> None:
    golden = prepare_all([raw], params).golden
    fed = golden.drop(columns=BLOCK).assign(late=1 - golden.late)

    found = prepare_all([raw, fed], params)

    assert found.golden.equals(golden)
    pd.testing.assert_frame_equal(found.frame, prepare_all([raw], params).frame)


def test_longer_table_keeps_the_days_it_had(
    raw: pd.DataFrame, later: pd.DataFrame, params: Params
) -> None:
    before = _days(prepare_all([raw], params).golden.event_time)
    after = _days(prepare_all([pd.concat([raw, later])], params).golden.event_time)

    assert before < after


def test_no_more_rows_than_asked_are_carried(raw: pd.DataFrame, params: Params) -> None:
    whole, few = (prepare_all([raw], _asked(params, rows=rows)) for rows in (20_000, 100))

    assert len(few.golden) == 100
    assert few.golden[BLOCK].nunique() == whole.golden[BLOCK].nunique()
    pd.testing.assert_frame_equal(few.frame, whole.frame)


def test_short_table_keeps_all_its_rows(january: pd.DataFrame, params: Params) -> None:
    found = prepare_all([january], params)

    assert found.golden.empty
    assert len(found.frame) == len(january)


def test_table_whose_rare_class_would_be_lost_keeps_all_its_rows(
    raw: pd.DataFrame, params: Params
) -> None:
    day = prepare_all([raw], params).golden.event_time.dt.floor("D").iloc[0]
    rare = raw.late.where(raw.event_time.dt.floor("D") == day, 0.0)

    assert prepare_all([raw.assign(late=rare)], params).golden.empty


def test_groups_stay_together() -> None:
    table = make_table("binary", 4000).assign(who=np.arange(4000) // 10)
    params = make_params("binary")
    data = {**params.data.model_dump(mode="json"), "split": "grouped", "id": "who"}
    params = _asked(Params.model_validate({**params.model_dump(mode="json"), "data": data}))

    found = prepare_all([table], params)

    assert 200 <= len(found.golden) <= 500
    assert (found.golden[BLOCK].value_counts() == 10).all()
    assert GROUP not in found.golden
    assert (found.frame[GROUP].value_counts() == 10).all()


def test_rows_without_time_or_group_are_set_aside_one_by_one() -> None:
    params = _asked(make_params("regression"))
    table = make_table("regression", 4000)

    found = prepare_all([table, table.head(50)], params)

    assert 250 <= len(found.golden) <= 400
    assert found.golden[BLOCK].is_unique
    assert len(found.frame) == 4050 - len(found.golden)


def test_nothing_is_set_aside_unless_asked(raw: pd.DataFrame, params: Params) -> None:
    data = params.model_dump(mode="json")
    data["data"]["golden"] = None

    assert prepare_all([raw], Params.model_validate(data)).golden.empty
