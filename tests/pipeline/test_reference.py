"""The sample that checks compare with is answered by models that never saw its rows."""

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params
from contracts.schema import GROUP, FeatureSchema
from pipeline.frames import DatasetError
from pipeline.reference import answer_unseen
from pipeline.search import Chosen
from pipeline.splits import reference_folds
from tests.pipeline.holdouts import make_holdout, make_params, make_schema, with_groups

RECIPE = Chosen("logistic_regression", {"C": 0.1}, -0.5)


def test_a_day_is_answered_by_models_that_did_not_learn_from_it(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    day = january.event_time.dt.day == 10
    flipped = january.assign(late=january.late.where(~day, 1 - january.late))
    honest, other = (
        answer_unseen(frame, schema, RECIPE, params)[0] for frame in (january, flipped)
    )

    tenth = honest.event_time.dt.day == 10
    assert tenth.any()
    pd.testing.assert_frame_equal(
        honest.loc[tenth, schema.answers], other.loc[tenth, schema.answers]
    )
    assert not honest.loc[~tenth, schema.answers].equals(other.loc[~tenth, schema.answers])


def test_the_sample_is_rows_as_they_were_with_an_answer_each(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    small = params.model_copy(
        update={"package": params.package.model_copy(update={"reference_rows": 1000})}
    )
    found, unseen = answer_unseen(january, schema, RECIPE, small)

    assert len(found) == 1000
    assert found.event_time.is_monotonic_increasing
    assert found.event_time.dt.date.nunique() == january.event_time.dt.date.nunique()
    np.testing.assert_allclose(found[schema.answers].sum(axis=1), 1, rtol=1e-5)
    kept = january.merge(found, on=list(january.columns), how="inner")
    assert len(kept) >= 1000
    assert list(unseen) == ["event_time", "late", *schema.answers]
    pd.testing.assert_frame_equal(unseen[["event_time", "late"]], january[["event_time", "late"]])
    both = unseen.merge(found, on=list(unseen), how="inner")
    assert len(both) >= 1000


def test_folds_by_time_cut_between_days_and_judge_every_row_once(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    folds = reference_folds(january, schema, params)
    judged = np.concatenate([rows for _, rows in folds])

    assert sorted(judged) == list(range(len(january)))
    days = january.event_time.dt.day.to_numpy()
    for others, rows in folds:
        assert not set(days[others]) & set(days[rows])


@pytest.mark.parametrize("split", ["stratified", "grouped", "shuffled"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_other_splits_judge_every_row_once_too(task: str, split: str) -> None:
    if (task, split) == ("regression", "stratified"):
        pytest.skip("has no classes")
    frame = with_groups(make_holdout(task), 7)
    folds = reference_folds(frame, make_schema(task), make_params(task, split))

    assert sorted(np.concatenate([rows for _, rows in folds])) == list(range(len(frame)))
    if split == "grouped":
        for others, rows in folds:
            assert not set(frame[GROUP].iloc[others]) & set(frame[GROUP].iloc[rows])


def test_a_single_day_has_no_other_to_learn_from(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    with pytest.raises(DatasetError, match="all rows are of one day"):
        reference_folds(january[january.event_time.dt.day == 1], schema, params)
